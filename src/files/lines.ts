// Files of lines that rotate, as they are read: FILE, FILE.1, the youngest of the old ones, FILE.2, …
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

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
