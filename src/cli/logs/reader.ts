// The daemon's log or audit as lines, across rotation: LOG.3, LOG.2, LOG.1, LOG, from old to new (DESIGN.md, 4).
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { KEPT_LOGS } from "../../paths.ts";

/** Bytes read at once. */
const CHUNK = 64 * 1024;

export interface LogReader {
  /** Lines since the last call, at first all that are kept. A line that is not complete yet comes later. */
  read(): string[];
  /** Whether there is a log at all. */
  readonly exists: boolean;
  /** Of the file that the first call reads, unless it was rotated before; undefined if there is none. */
  readonly inode: number | undefined;
}

/**
 * Reads on in a new file after finishing the old one. Two rotations between two calls lose what is in between; the
 * daemon would have to write 5 MB in that time.
 *
 * @param kept how many old files are read before the first
 */
export function openLog(path: string, kept = KEPT_LOGS): LogReader {
  let descriptor = tryOpen(path);
  let offset = 0;
  let partial = "";
  let decoder = new TextDecoder();
  let old: string[] | undefined = readRotated(path, descriptor, kept);
  const inode = descriptor === undefined ? undefined : fstatSync(descriptor).ino;
  const exists = descriptor !== undefined || old.length > 0;

  function readOn(): string[] {
    if (descriptor === undefined) return [];
    // Someone emptied the file in place.
    if (fstatSync(descriptor).size < offset) offset = 0;
    const buffer = new Uint8Array(CHUNK);
    for (let size = 0; (size = readSync(descriptor, buffer, 0, CHUNK, offset)) > 0; offset += size) {
      partial += decoder.decode(buffer.subarray(0, size), { stream: true });
    }
    const lines = partial.split("\n");
    partial = lines.pop() ?? "";
    return lines;
  }

  return {
    exists,
    inode,
    read: () => {
      const lines = [...(old ?? []), ...readOn()];
      old = undefined;
      if (isAnother(path, descriptor)) {
        if (descriptor !== undefined) closeSync(descriptor);
        descriptor = tryOpen(path);
        [offset, partial, decoder] = [0, "", new TextDecoder()];
        lines.push(...readOn());
      }
      return lines;
    },
  };
}

function readRotated(path: string, current: number | undefined, kept: number): string[] {
  const inode = current === undefined ? undefined : fstatSync(current).ino;
  const lines: string[] = [];
  for (let index = kept; index >= 1; index--) {
    const descriptor = tryOpen(`${path}.${index}`);
    if (descriptor === undefined) continue;
    // Rotated between the two openings: it is read as the current one.
    if (fstatSync(descriptor).ino !== inode) {
      lines.push(
        ...readFileSync(descriptor, "utf8")
          .split("\n")
          .filter((line) => line !== ""),
      );
    }
    closeSync(descriptor);
  }
  return lines;
}

function isAnother(path: string, descriptor: number | undefined): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  if (named === undefined) return false;
  return descriptor === undefined || named.ino !== fstatSync(descriptor).ino;
}

function tryOpen(path: string): number | undefined {
  try {
    // Without waiting for a FIFO's writer.
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
  } catch {
    // Not there, or not ours to read: either way there is no log to show.
  }
  return undefined;
}
