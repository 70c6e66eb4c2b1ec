// The daemon's log or audit as lines, across rotation: LOG.3, LOG.2, LOG.1, LOG, from old to new.
import { closeSync, fstatSync, readSync, statSync } from "node:fs";
import { openIfFile, type OpenFile, readLines, rotatedPath } from "../../files/lines.ts";
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
  let current = openIfFile(path);
  let offset = 0;
  let partial = "";
  let decoder = new TextDecoder();
  let old: string[] | undefined = readRotated(path, current, kept);
  const inode = current?.inode;
  const exists = current !== undefined || old.length > 0;

  function readOn(): string[] {
    if (current === undefined) return [];
    const { descriptor } = current;
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
      if (isAnother(path, current)) {
        if (current !== undefined) closeSync(current.descriptor);
        current = openIfFile(path);
        [offset, partial, decoder] = [0, "", new TextDecoder()];
        lines.push(...readOn());
      }
      return lines;
    },
  };
}

function readRotated(path: string, current: OpenFile | undefined, kept: number): string[] {
  const lines: string[] = [];
  for (let index = kept; index >= 1; index--) {
    const old = openIfFile(rotatedPath(path, index));
    if (old === undefined) continue;
    // Rotated between the two openings: it is read as the current one.
    if (old.inode === current?.inode) closeSync(old.descriptor);
    else lines.push(...readLines(old));
  }
  return lines;
}

function isAnother(path: string, current: OpenFile | undefined): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino !== current?.inode;
}
