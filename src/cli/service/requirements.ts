// What must hold before a service is written: the directory of its shared socket is in safe hands, names of users and groups
// are such, and this is root.
import { lstatSync, realpathSync, type Stats, statSync } from "node:fs";
import { KeyholeError } from "../../errors.ts";
import { lookAt, pathError, refuseForeignOwner, refuseForeignParent } from "../../files/trust.ts";
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { Host } from "../command.ts";

/** Of one that `install -d` or systemd's RuntimeDirectory= has made; its owner may read what others may not. */
const MADE = 0o2750;
const OTHERS_WRITE = 0o002;
const FOREIGN_WRITE = 0o022;
const STICKY = 0o1000;

interface PlaceOptions {
  /** The uid of its future owner. */
  readonly operator: number;
  /** The uid that this command runs as. */
  readonly root: number;
  /** Whether those above it that are missing are made by mkdir(1), which accepts nothing that another user made first. */
  readonly makesAbove: boolean;
}

/**
 * @returns directories above it that are missing, the outermost first
 * @throws KeyholeError `unsafe-path` for a directory that is there and was not made for this, such as /tmp, and where
 *   a user other than root could put another one in its place.
 */
export function checkSharedPlace(directory: string, { operator, root, makesAbove }: PlaceOptions): string[] {
  const found = look(directory);
  if (found !== undefined && !isMade(found, [operator, root])) {
    const what = `${directory} was not made for a shared socket, and would get another owner and mode`;
    throw new KeyholeError("unsafe-path", what, lookAt(directory));
  }
  const missing: string[] = [];
  let above = directoryOf(directory);
  for (; look(above) === undefined; above = directoryOf(above)) missing.unshift(above);
  refuseOthers(above, root, makesAbove && missing.length > 0);
  while (above !== "/") {
    above = directoryOf(above);
    refuseOthers(above, root, true);
  }
  return missing;
}

/**
 * @param owners uids of those who may change what the service runs
 * @throws KeyholeError `unsafe-path` where another user may, or could put another file in its place, as in /tmp after a
 *   boot has emptied it.
 */
export function checkExecutable(path: string, owners: readonly number[]): void {
  const target = resolve(path);
  for (let each = target; each !== "/"; each = directoryOf(each)) {
    const stats = statSync(each);
    // In /usr/local a group of root's choice writes, Debian's staff.
    refuseWriters(each, stats.mode & OTHERS_WRITE, `sudo install -m 0755 ${quotePosix(path)} /usr/local/bin/`);
    refuseForeignOwner(each, stats, owners);
  }
}

/** With another hint than `chmod`: the mode of /tmp is right. @param writers the write bits of a mode that must not be set */
function refuseWriters(path: string, writers: number, hint: string): void {
  if (writers === 0) return;
  throw new KeyholeError("unsafe-path", `${path} can be written by others`, hint);
}

function resolve(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw pathError(error, path, "look at");
  }
}

function isMade(stats: Stats, owners: readonly number[]): boolean {
  return stats.isDirectory() && owners.includes(stats.uid) && (stats.mode & 0o7777) === MADE;
}

/** @param mayBeSticky whether nothing is made in it that another user may have made before, as any user may in /tmp */
function refuseOthers(path: string, root: number, mayBeSticky: boolean): void {
  // A link of root's, such as /var/run, leads where root wants.
  refuseForeignOwner(path, lstatSync(path), [root, 0]);
  const stats = statSync(path);
  const isSticky = (stats.mode & STICKY) !== 0;
  if (isSticky && !mayBeSticky) refuseWriters(path, stats.mode & FOREIGN_WRITE, "unset KEYHOLE_SHARED_SOCKET");
  refuseForeignParent(path, stats, [root, 0]);
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw pathError(error, path, "look at");
  }
}

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
