// Directories that keyhole trusts with its sockets, files and configs: made private, checked before every use.
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { codeOf, isErrno, KeyholeError } from "../errors.ts";
import { directoryOf } from "../paths.ts";
import { lookAt, pathError, refuseForeign, refuseForeignOwner, refuseForeignParent } from "./trust.ts";

/** Everything for the owner. */
const PRIVATE_MODE = 0o700;

/**
 * Makes `path` and what is missing above it with mode 0700, `path` itself with `mode`, and checks that no other user could
 * have put something there: it is a real directory, not a link, ours, and neither it nor its parent can be written by
 * others (a sticky parent such as /tmp can be). The parent may be a link of ours or root's: a home on another disk.
 *
 * @throws KeyholeError `unsafe-path` that names the directory and the command that mends it; nothing was made then but
 *   in a directory of ours. An existing directory's mode is never changed.
 */
export function ensurePrivateDirectory(path: string, mode: number = PRIVATE_MODE): void {
  const own = process.geteuid?.() ?? 0;
  refuseForeignLinks(path, own);
  makeDirectory(path, own, mode);
  checkPrivate(path, own);
  const parent = directoryOf(path);
  refuseForeignParent(parent, lookUp(parent, statSync)!, [own, 0]);
}

/** As `ensurePrivateDirectory`, for a home, which may itself be a link of ours or root's: the same holds behind it. */
export function ensurePrivateHome(path: string): void {
  const own = process.geteuid?.() ?? 0;
  refuseForeignLinks(path, own);
  ensurePrivateDirectory(lookUp(path, lstatSync)?.isSymbolicLink() === true ? follow(path) : path);
}

function follow(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw pathError(error, path, "follow the link");
  }
}

function checkPrivate(path: string, own: number): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    // A link is ENOTDIR on Linux and ELOOP on macOS.
    const isOther = isErrno(error, "ENOTDIR", "ELOOP");
    const reason = isOther ? "is a link or a file, not a directory" : `cannot be opened (${codeOf(error)})`;
    throw new KeyholeError("unsafe-path", `${path} ${reason}`, lookAt(path));
  }
  try {
    refuseForeign(path, fstatSync(descriptor), [own]);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * For directories that a person keeps, such as those of configs: links are followed, and root may own them. One that
 * does not exist is no error.
 *
 * @throws KeyholeError `unsafe-path` unless it is a directory of `uid`'s or root's that no one else may write.
 */
export function checkDirectory(path: string, uid: number): void {
  refuseForeignLinks(path, uid);
  const stats = lookUp(path, statSync);
  if (stats === undefined) return;
  if (!stats.isDirectory()) throw new KeyholeError("unsafe-path", `${path} is not a directory`);
  refuseForeign(path, stats, [uid, 0]);
}

/** Makes a directory, and those above it that are missing, with mode 0700; checks one that exists as `checkDirectory` does. */
export function ensureDirectory(path: string, uid: number): void {
  checkDirectory(path, uid);
  if (!existsSync(path)) makeDirectory(path, uid);
}

/**
 * A link there or above it that another user made leads wherever that user wants: `sudo keyhole` in the home of its user
 * would make and write files as root in any directory of root's.
 */
function refuseForeignLinks(path: string, uid: number): void {
  for (const each of [directoryOf(path), path]) {
    const stats = lookUp(each, lstatSync);
    if (stats?.isSymbolicLink() === true) refuseForeignOwner(each, stats, [uid, 0]);
  }
}

function lookUp(path: string, look: typeof lstatSync | typeof statSync): Stats | undefined {
  try {
    return look(path, { throwIfNoEntry: false });
  } catch (error) {
    throw pathError(error, path, "look at");
  }
}

function makeDirectory(path: string, uid: number, mode: number = PRIVATE_MODE): void {
  if (lookUp(path, lstatSync) !== undefined) return;
  refuseForeignGround(directoryOf(path), uid);
  try {
    mkdirSync(directoryOf(path), { recursive: true, mode: PRIVATE_MODE });
    mkdirSync(path, { mode });
    if (mode !== PRIVATE_MODE) setMode(path, mode);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw pathError(error, path, "make the directory");
  }
}

/** sudo(8) may keep HOME. */
const NOT_AS_ROOT = "run keyhole as that user, or in root's own home: sudo -H keyhole";

/** What is made in another user's directory, as by `sudo keyhole` in a home, would be in that user's way. */
function refuseForeignGround(path: string, uid: number): void {
  const stats = lookUp(path, statSync);
  if (stats !== undefined) {
    if ([uid, 0].includes(stats.uid)) return;
    const what = `${path} belongs to another user (uid ${stats.uid}), and nothing is made in it as uid ${uid}`;
    throw new KeyholeError("unsafe-path", what, uid === 0 ? NOT_AS_ROOT : lookAt(path));
  }
  if (lookUp(path, lstatSync) === undefined) refuseForeignGround(directoryOf(path), uid);
  else throw new KeyholeError("unsafe-path", `${path} is a link that leads nowhere`, lookAt(path));
}

/** Of a directory that was just made: the umask may have taken the group's part of its mode. */
function setMode(path: string, mode: number): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    fchmodSync(descriptor, mode);
  } finally {
    closeSync(descriptor);
  }
}

// The names of things that have a file each in one directory.

/** Which files count. */
export interface NamedFiles {
  /** With its dot; not part of the name. */
  readonly extension: string;
  readonly isName: (name: string) => boolean;
  /** Whether links count, beside regular files. */
  readonly withLinks: boolean;
}

/** Sorted; empty where there is no directory. @throws KeyholeError `unsafe-path` for one that cannot be read */
export function listNames(directory: string, { extension, isName, withLinks }: NamedFiles): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.name.endsWith(extension) && (entry.isFile() || (withLinks && entry.isSymbolicLink())))
      .map((entry) => entry.name.slice(0, -extension.length))
      .filter(isName)
      .toSorted();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw pathError(error, directory, "read");
  }
}
