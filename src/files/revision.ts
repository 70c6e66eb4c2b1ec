// Which state of a file one has seen: two that differ are two contents, or two files.
import { type BigIntStats, statSync } from "node:fs";

/** Changes with the content, the file and its permissions; ctime catches an edit that puts mtime back. */
export function revisionOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join("-");
}

/** Behind links. Undefined for what cannot be looked at: whoever reads it is told why. */
export function fileRevision(path: string): string | undefined {
  try {
    return revisionOf(statSync(path, { bigint: true }));
  } catch {
    return undefined;
  }
}
