// The lines that are kept, from new to old, each once, however the files are rotated meanwhile.
import type { AuditKind } from "./event.ts";
import { carriedPath, KEPT_FILES, openIfFile, type OpenFile, readLines, rotatedPath } from "./files.ts";
import { isKept, kindOfLine } from "./line.ts";

/** The file that is being written, as it was read before. */
export interface Current {
  /** From old to new. */
  readonly lines: readonly string[];
  /** Undefined if there was none. */
  readonly inode: number | undefined;
}

/**
 * Opens the files at once, from the youngest to the oldest, because a rotation gives a file an older name only: none is
 * missed, and one that is met twice is known by its inode. Each is read when its turn has come.
 *
 * @param path of the audit file
 */
export function readHistory(path: string, current: Current): Iterable<string> {
  const files: OpenFile[] = [];
  const met = new Set([current.inode]);
  for (let index = 1; index <= KEPT_FILES; index++) {
    const file = openIfFile(rotatedPath(path, index));
    if (file !== undefined && !met.has(file.inode)) files.push(file);
    met.add(file?.inode);
  }
  return walk(current.lines, files, openIfFile(carriedPath(path)));
}

function* walk(current: readonly string[], files: readonly OpenFile[], carried: OpenFile | undefined) {
  /** A line is in the carried file and still in the oldest one for a moment, or for good after a crash. */
  const seen = new Set<string>();
  for (const lines of inTurn(current, files)) {
    for (const line of lines.toReversed()) {
      if (isKept(kindOfLine(line) as AuditKind)) seen.add(line);
      yield line;
    }
  }
  if (carried === undefined) return;
  for (const line of readLines(carried).toReversed()) if (!seen.has(line)) yield line;
}

/** One file in memory at a time. */
function* inTurn(current: readonly string[], files: readonly OpenFile[]) {
  yield current;
  for (const file of files) yield readLines(file);
}
