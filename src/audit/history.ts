// The files of the audit: the one that is written, the older ones it was rotated to, and the small one that keeps the
// lives of grants whose lines were rotated out of those.
import { closeSync } from "node:fs";
import { directoryOf } from "../paths.ts";
import { type OpenFile, openIfFile, readLines, rotatedPath } from "../files/reading.ts";
import { type AuditKind, isKept, kindOfLine } from "./line.ts";

/** How many old files are kept beside it: FILE.1, the youngest, to FILE.10. */
export const KEPT_FILES = 10;

/** The file that outlives rotation, beside the audit file. */
export function carriedPath(path: string): string {
  return `${directoryOf(path)}/audit-grants.jsonl`;
}

// The lines that are kept, from new to old, each once, however the files are rotated meanwhile.

/** The file that is being written, as it was read before. */
export interface Current {
  /** From old to new. */
  readonly lines: readonly string[];
  /** Undefined if there was none. */
  readonly inode: number | undefined;
}

/**
 * Opens the files at once, from the youngest to the oldest, because a rotation gives a file an older name only: none is
 * missed, and one that is met twice is known by its inode. Each is read when its turn has come, so that one at a time is
 * in memory.
 *
 * @param path of the audit file
 */
export function* readHistory(path: string, current: Current): Generator<string, void> {
  const open: OpenFile[] = [];
  const met = new Set([current.inode]);
  try {
    for (let index = 1; index <= KEPT_FILES; index++) {
      const file = openIfFile(rotatedPath(path, index));
      if (file === undefined) continue;
      if (met.has(file.inode)) closeSync(file.descriptor);
      else open.push(file);
      met.add(file.inode);
    }
    const carried = openIfFile(carriedPath(path));
    if (carried !== undefined) open.push(carried);

    /** A line is in the carried file and still in the oldest one for a moment, or for good after a crash. */
    const seen = new Set<string>();
    let lines = current.lines;
    for (;;) {
      for (const line of lines.toReversed()) {
        if (seen.has(line)) continue;
        if (open.length > 0 && isKept(kindOfLine(line) as AuditKind)) seen.add(line);
        yield line;
      }
      const file = open.shift();
      if (file === undefined) return;
      lines = readLines(file);
    }
  } finally {
    for (const { descriptor } of open) closeSync(descriptor);
  }
}
