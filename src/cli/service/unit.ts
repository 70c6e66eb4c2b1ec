// What a service is made of, for systemd and launchd alike.
import { lstatSync, readFileSync } from "node:fs";
import { KeyholeError } from "../../errors.ts";
import { pathError } from "../../files/trust.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { ToolCommand } from "../programs/tools.ts";
import type { CommandContext } from "../command.ts";

/** A file that is installed. */
interface ServiceFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

/** How a service is installed, removed and looked at. */
export interface ServicePlan {
  /** What a person calls it: `keyhole.service`. */
  readonly name: string;
  readonly files: readonly ServiceFile[];
  readonly install: readonly ToolCommand[];
  /** Before the files are removed, and after; each may fail. */
  readonly uninstall: readonly ToolCommand[];
  readonly forget: readonly ToolCommand[];
  /** Asks the manager whether it runs. */
  readonly status: ToolCommand;
  /** What the user still has to do. */
  readonly remarks: readonly string[];
}

/** The daemon that a service runs. */
export interface ServiceDaemon {
  /** The words that start keyhole: an absolute path first. */
  readonly command: readonly string[];
  /** After `--daemon`. */
  readonly words: readonly string[];
  /** Settings that are variables: KEYHOLE_HOME. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute paths. */
  readonly home: string;
  readonly socket: string;
  readonly sharedSocket: string;
}

/** Runs as an operator, for the members of a group. */
export interface SharedDaemon extends ServiceDaemon {
  readonly user: string;
  readonly group: string;
  /** Of the operator. */
  readonly userHome: string;
}

/** The first line of every file. */
export const HEADING = "Written by: keyhole service install";

/**
 * Called before anything is written or removed: a unit of that name that keyhole did not write stays, and one that is masked, a
 * link to /dev/null, stays so.
 *
 * @throws KeyholeError `unsafe-path`
 */
export function refuseForeignFiles(files: readonly ServiceFile[]): void {
  for (const { path } of files) {
    if (isOursOrMissing(path)) continue;
    const message = `${path} was not written by: keyhole service install`;
    throw new KeyholeError("unsafe-path", message, `mv ${quotePosix(path)} ${quotePosix(`${path}.old`)}`);
  }
}

function isOursOrMissing(path: string): boolean {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats === undefined || (stats.isFile() && readFileSync(path, "utf8").includes(HEADING));
  } catch (error) {
    throw pathError(error, path, "read");
  }
}

/** @throws KeyholeError `unreachable` in one line, before anything is written. */
export async function requireManager({ host }: Pick<CommandContext, "host">, isOwn: boolean): Promise<void> {
  if (host.platform === "darwin") return;
  const { status, stderr } = await host.runTool(["systemctl", ...(isOwn ? ["--user"] : []), "show-environment"]);
  if (status === 0) return;
  if (status === 127) throw new KeyholeError("unreachable", "there is no systemd here", "keyhole daemon start");
  const [reason = ""] = stderr.trim().split("\n");
  throw new KeyholeError(
    "unreachable",
    `${isOwn ? "your systemd" : "systemd"} does not answer${reason === "" ? "" : `: ${reason}`}`,
    isOwn ? "loginctl enable-linger" : "systemctl is-system-running",
  );
}
