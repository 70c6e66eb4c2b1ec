// Files that decide which role is assumed: read only where nobody else could have written them, written so that a
// reader sees the old text or the new one and a crash leaves one of the two.
import { constants } from "node:fs";
import * as fs from "node:fs";
import { KeyholeError } from "../errors.ts";
import { baseOf, directoryOf } from "../paths.ts";

/** Write permission for the group or for everybody. */
const FOREIGN_WRITE = 0o022;
const STICKY = 0o1000;

export type FileStats = fs.BigIntStats;

/** @throws KeyholeError `unsafe-path` unless `directory` is a directory of ours or root's that no one else may write. */
export function checkDirectory(directory: string, uid: number, allowSticky = false): void {
  const stats = fs.statSync(directory, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) throw new KeyholeError("unsafe-path", `${directory} is not a directory`);
  if (allowSticky && (Number(stats.mode) & STICKY) !== 0 && isTrusted(stats, uid)) return;
  refuseForeign(directory, stats, uid);
}

/** Creates a directory, and those above it that are missing, with mode 0700. One that exists keeps its mode. */
export function ensureDirectory(directory: string, uid: number): void {
  if (fs.existsSync(directory)) checkDirectory(directory, uid);
  else withPath(directory, "create", () => fs.mkdirSync(directory, { recursive: true, mode: 0o700 }));
}

/**
 * Reads a file whole. A link is followed if it leads to a file that would be read without it: dotfile managers link
 * configs into place, and whoever can write neither directory nor file can lead it nowhere else.
 *
 * @returns undefined if there is no such file.
 * @throws KeyholeError `unsafe-path` for a file or a directory that another user owns or can write to.
 */
export function readTrusted(
  path: string,
  uid: number,
  limit: number,
): { readonly bytes: Uint8Array; readonly stats: FileStats } | undefined {
  checkDirectory(directoryOf(path), uid);
  const target = resolveLink(path, uid);
  if (target === undefined) return undefined;
  const descriptor = openForReading(target);
  if (descriptor === undefined) return undefined;
  try {
    const stats = fs.fstatSync(descriptor, { bigint: true });
    if (!stats.isFile()) throw new KeyholeError("unsafe-path", `${path} is not a regular file`);
    refuseForeign(target, stats, uid);
    return { bytes: readUpTo(descriptor, limit), stats };
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The file behind a path: itself, or what a link of ours or root's leads to. Undefined if there is none. */
export function resolveLink(path: string, uid: number): string | undefined {
  const stats = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isSymbolicLink()) return path;
  if (!isTrusted(stats, uid)) throw foreignOwner(path);
  try {
    const target = fs.realpathSync(path);
    // Where the sticky bit is set (the Nix store) only the owner of a file can take it away.
    checkDirectory(directoryOf(target), uid, true);
    return target;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw asKeyholeError(error, path, "follow the link");
  }
}

/**
 * Replaces a file or creates it with mode 0600, by rename of a finished copy.
 *
 * @param exclusive fail rather than replace.
 * @returns false if `exclusive` and the file exists.
 */
export function writeAtomically(path: string, text: string, exclusive: boolean): boolean {
  const directory = directoryOf(path);
  const temporary = `${directory}/.${baseOf(path)}.${crypto.randomUUID()}`;
  return withPath(path, "write", () => {
    try {
      writeDurably(temporary, text);
      if (exclusive && !linkExclusively(temporary, path)) return false;
      if (!exclusive) fs.renameSync(temporary, path);
    } finally {
      fs.rmSync(temporary, { force: true });
    }
    syncDirectory(directory);
    return true;
  });
}

/** Gives a file another name; false if that name is taken. Both stand in one directory. */
export function renameExclusively(from: string, to: string): boolean {
  return withPath(from, "rename", () => {
    if (!linkExclusively(from, to)) return false;
    fs.unlinkSync(from);
    syncDirectory(directoryOf(to));
    return true;
  });
}

/** False if there is no such file. */
export function removeFile(path: string): boolean {
  return withPath(path, "remove", () => {
    if (fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
    fs.unlinkSync(path);
    syncDirectory(directoryOf(path));
    return true;
  });
}

/** A hard link fails where the name is taken, which rename does not. */
function linkExclusively(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    if (!isErrno(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) throw error;
  }
  // A file system without hard links: two writers at the same moment may both win here.
  if (fs.lstatSync(to, { throwIfNoEntry: false }) !== undefined) return false;
  fs.copyFileSync(from, to, constants.COPYFILE_EXCL);
  return true;
}

function writeDurably(path: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  // Not Bun.write: it ignores modes and follows links (BUN.md, 7).
  const descriptor = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    fs.writeFileSync(descriptor, text);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Without following a link that appeared meanwhile, and without waiting for a FIFO's writer. */
function openForReading(path: string): number | undefined {
  try {
    return fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw asKeyholeError(error, path, "read");
  }
}

/** One byte more than `limit` at most, so that the caller can see that there was more. */
function readUpTo(descriptor: number, limit: number): Uint8Array {
  const buffer = Buffer.alloc(limit + 1);
  let length = 0;
  for (;;) {
    const count = fs.readSync(descriptor, buffer, length, buffer.length - length, null);
    length += count;
    if (count === 0 || length === buffer.length) return buffer.subarray(0, length);
  }
}

function isTrusted(stats: FileStats, uid: number): boolean {
  return stats.uid === BigInt(uid) || stats.uid === 0n;
}

function refuseForeign(path: string, stats: FileStats, uid: number): void {
  if (!isTrusted(stats, uid)) throw foreignOwner(path);
  if ((Number(stats.mode) & FOREIGN_WRITE) === 0) return;
  throw new KeyholeError("unsafe-path", `other users may write to ${path}`, `chmod go-w ${quotePath(path)}`);
}

function foreignOwner(path: string): KeyholeError {
  return new KeyholeError("unsafe-path", `${path} belongs to another user`, `ls -l ${quotePath(path)}`);
}

/** For a shell, so that a hint can be pasted. */
export function quotePath(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function withPath<Result>(path: string, verb: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw asKeyholeError(error, path, verb);
  }
}

export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? "");
}

export function asKeyholeError(error: unknown, path: string, verb: string): KeyholeError {
  if (error instanceof KeyholeError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "unknown";
  return new KeyholeError("unsafe-path", `cannot ${verb} ${path} (${code})`, `ls -ld ${quotePath(directoryOf(path))}`);
}
