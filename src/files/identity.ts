// Which file it is, whatever its name.
import { type BigIntStats, lstatSync, type Stats, statSync } from "node:fs";

/** What is the same for one file under all its names, and for no two files at a time. */
export type FileIdentity = Pick<Stats, "dev" | "ino">;

/** Whether two looks saw one file; false where one of them saw none. */
export function isSameFile(one: FileIdentity | undefined, other: FileIdentity | undefined): boolean {
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

/** Whether it is that file, and not one that was put there since; the way to it may be closed, too. */
export function isAt(path: string, file: FileIdentity | undefined): boolean {
  try {
    return isSameFile(lstatSync(path, { throwIfNoEntry: false }), file);
  } catch {
    return false;
  }
}

// Which state of a file one has seen: two that differ are two contents, or two files.

/** Changes with the content, the file and its permissions; ctime catches an edit that puts mtime back. */
export function revisionOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join("-");
}

/** Behind links. Undefined for what cannot be looked at: reading it says why. */
export function fileRevision(path: string): string | undefined {
  try {
    return revisionOf(statSync(path, { bigint: true }));
  } catch {
    return undefined;
  }
}
