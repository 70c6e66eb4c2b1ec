// Users and groups as words of a command line, and who may change them.
import { KeyholeError } from "../../errors.ts";
import type { Host } from "../command.ts";

/** What useradd(8) takes on every system; no dash in front, so that no program takes it for an option. */
const NAME = /^[A-Za-z_][\w.-]{0,31}\$?$/;

/** @throws KeyholeError `usage` */
export function checkAccountName(name: string, origin: string): string {
  if (NAME.test(name)) return name;
  throw new KeyholeError("usage", `${origin} is not the name of a user or a group`, "getent passwd");
}

/** @param command what is to be typed, for the hint. @throws KeyholeError `forbidden` */
export function requireRoot(host: Pick<Host, "userId">, command: string): void {
  if (host.userId() === 0) return;
  throw new KeyholeError("forbidden", "this command needs root, also to say what it would do", `sudo ${command}`);
}
