// Who could have put something where keyhole looks: owners and modes, and the refusals that name what mends them.
// Nothing here is ever repaired behind its owner's back.
import { codeOf, isErrno, KeyholeError } from "../errors.ts";
import { directoryOf } from "../paths.ts";
import { quotePosix } from "../text/quoting.ts";
import { readAccounts } from "./accounts.ts";

/** Write permission of a group, and of others. */
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** What of a file's status decides. */
export interface Ownership {
  readonly uid: number | bigint;
  readonly gid: number | bigint;
  readonly mode: number | bigint;
}

/** @throws KeyholeError `unsafe-path` for what does not belong to one of `owners`, or others may write to. */
export function refuseForeign(path: string, stats: Ownership, owners: readonly number[]): void {
  refuseForeignOwner(path, stats, owners);
  if (!isWritableByOthers(stats)) return;
  const hint = isShared(stats) ? OTHER_PLACE : `chmod go-w ${quotePosix(path)}`;
  throw new KeyholeError("unsafe-path", `${path} can be written by others`, hint);
}

/** A group with its owner as the only member adds no other user: many systems give each user one, and a umask of 002. */
function isWritableByOthers({ uid, gid, mode }: Ownership): boolean {
  if ((Number(mode) & OTHERS_WRITE) !== 0) return true;
  return (Number(mode) & GROUP_WRITE) !== 0 && !readAccounts().isPrivateGroup(Number(gid), Number(uid));
}

const OTHER_PLACE = "use a directory of your own";

/** A directory that is not this user's to change: /tmp, or another user's. */
function isShared({ uid, mode }: Ownership): boolean {
  const isDirectory = (Number(mode) & 0o170000) === 0o040000;
  return isDirectory && ((Number(mode) & STICKY) !== 0 || Number(uid) !== process.geteuid?.());
}

/** As `refuseForeign`, and lets a sticky directory such as /tmp pass: in it only an owner can take a file away. */
export function refuseForeignParent(path: string, stats: Ownership, owners: readonly number[]): void {
  if ((Number(stats.mode) & STICKY) === 0) refuseForeign(path, stats, owners);
  else refuseForeignOwner(path, stats, owners);
}

/** @throws KeyholeError `unsafe-path` */
export function refuseForeignOwner(path: string, stats: Ownership, owners: readonly number[]): void {
  if (owners.includes(Number(stats.uid))) return;
  const hint = isShared(stats) ? OTHER_PLACE : lookAt(path);
  throw new KeyholeError("unsafe-path", `${path} belongs to another user (uid ${stats.uid})`, hint);
}

/** What the system said of a path, as something a person may read; a KeyholeError as it is. */
export function pathError(error: unknown, path: string, verb: string): KeyholeError {
  if (error instanceof KeyholeError) return error;
  const message = `cannot ${verb} ${path} (${codeOf(error) ?? "unknown"})`;
  const directory = directoryOf(path);
  const hint = isErrno(error, "ENOSPC", "EDQUOT") ? `df -h ${quotePosix(directory)}` : lookAt(directory);
  return new KeyholeError("unsafe-path", message, hint);
}

/** The hint that shows who owns a path, and its mode. */
export function lookAt(path: string): string {
  return `ls -ld ${quotePosix(path)}`;
}
