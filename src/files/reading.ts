// Reading files that decide something, such as which role is assumed: only where no other user could have written them.
import * as fs from "node:fs";
import { constants } from "node:fs";
import { isErrno, KeyholeError } from "../errors.ts";
import { directoryOf } from "../paths.ts";
import { checkDirectory } from "./directories.ts";
import { pathError, refuseForeign, refuseForeignOwner, refuseForeignParent } from "./trust.ts";

/** A file as it was at one moment. */
export interface TrustedFile {
  readonly bytes: Uint8Array;
  readonly stats: fs.BigIntStats;
}

/**
 * Reads a file whole. A link is followed if it leads to a file that would be read without it: dotfile managers link
 * configs into place, and a user who can write to neither directory nor file cannot redirect it.
 *
 * @param uid whose files are trusted beside root's
 * @param limit bytes; of a longer file one more than that is returned, so that the caller can see that there was more
 * @returns undefined if there is no such file.
 * @throws KeyholeError `unsafe-path` for a file or a directory that another user owns or can write to.
 */
export function readTrusted(path: string, uid: number, limit: number): TrustedFile | undefined {
  checkDirectory(directoryOf(path), uid);
  const target = resolveLink(path, uid);
  if (target === undefined) return undefined;
  const descriptor = openForReading(target);
  if (descriptor === undefined) return undefined;
  try {
    const stats = fs.fstatSync(descriptor, { bigint: true });
    if (!stats.isFile()) throw new KeyholeError("unsafe-path", `${path} is not a regular file`);
    refuseForeign(target, stats, [uid, 0]);
    return { bytes: readUpTo(descriptor, limit), stats };
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The file behind a path: itself, or what a link of ours or root's leads to. Undefined if there is none. */
export function resolveLink(path: string, uid: number): string | undefined {
  const stats = lookAt(path);
  if (stats === undefined) return undefined;
  if (!stats.isSymbolicLink()) return path;
  refuseForeignOwner(path, stats, [uid, 0]);
  try {
    const target = fs.realpathSync(path);
    const directory = directoryOf(target);
    // The Nix store is sticky: only the owner of a file there can take it away.
    refuseForeignParent(directory, fs.statSync(directory), [uid, 0]);
    return target;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw pathError(error, path, "follow the link");
  }
}

function lookAt(path: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw pathError(error, path, "look at");
  }
}

/** Without following a link that appeared meanwhile, and without waiting for a FIFO's writer. */
function openForReading(path: string): number | undefined {
  try {
    return fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw pathError(error, path, "read");
  }
}

function readUpTo(descriptor: number, limit: number): Uint8Array {
  const buffer = Buffer.alloc(limit + 1);
  let length = 0;
  for (;;) {
    const count = fs.readSync(descriptor, buffer, length, buffer.length - length, null);
    length += count;
    if (count === 0 || length === buffer.length) return buffer.subarray(0, length);
  }
}

// Files of lines that rotate, as they are read: FILE, FILE.1, the youngest of the old ones, FILE.2, …

/** Bytes at which the daemon's log and its audit are rotated. */
export const ROTATE_AT = 5 * 1000 * 1000;

/** How many old logs are kept beside the log: `LOG.1`, the youngest, to `LOG.3`. */
export const KEPT_LOGS = 3;

/** An old file; 1 is the youngest. */
export function rotatedPath(path: string, index: number): string {
  return `${path}.${index}`;
}

/** A file that is open for reading. */
export interface OpenFile {
  readonly descriptor: number;
  /** The same number for the same file, whatever its name is by then. */
  readonly inode: number;
}

/** Undefined for what is not there, not ours to read, a link or no regular file; does not wait at a FIFO. */
export function openIfFile(path: string): OpenFile | undefined {
  try {
    const descriptor = fs.openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const stats = fs.fstatSync(descriptor);
    if (stats.isFile()) return { descriptor, inode: stats.ino };
    fs.closeSync(descriptor);
  } catch {
    // There are no lines to be had from it, whatever it is.
  }
  return undefined;
}

/** The lines of a file, without empty ones, from old to new. Closes it. */
export function readLines({ descriptor }: OpenFile): string[] {
  try {
    return fs
      .readFileSync(descriptor, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } finally {
    fs.closeSync(descriptor);
  }
}
