// The files of the audit: the one that is written, the older ones it was rotated to, and the small one that keeps the
// lives of grants whose lines were rotated out of those.
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { directoryOf } from "../paths.ts";

/** Bytes at which the file is rotated: aivault's 5 MiB, in the round number of DESIGN.md, 4. */
export const ROTATE_AT = 5 * 1000 * 1000;

/** How many old files are kept beside it: FILE.1, the youngest, to FILE.10 (PEERS.md A-030). */
export const KEPT_FILES = 10;

/** The file that outlives rotation, beside the audit file. */
export function carriedPath(path: string): string {
  return `${directoryOf(path)}/audit-grants.jsonl`;
}

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

/** Undefined for what is not there, not ours to read, a link or no regular file; waits for nobody at a FIFO. */
export function openIfFile(path: string): OpenFile | undefined {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const stats = fstatSync(descriptor);
    if (stats.isFile()) return { descriptor, inode: stats.ino };
    closeSync(descriptor);
  } catch {
    // There are no lines to be had from it, whatever it is.
  }
  return undefined;
}

/** The lines of a file, without empty ones, from old to new. Closes it. */
export function readLines({ descriptor }: OpenFile): string[] {
  try {
    return readFileSync(descriptor, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } finally {
    closeSync(descriptor);
  }
}
