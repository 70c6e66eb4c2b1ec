// Which file it is, whatever its name.
import type { Stats } from "node:fs";

/** What is the same for one file under all its names, and for no two files at a time. */
export type FileIdentity = Pick<Stats, "dev" | "ino">;

/** Whether two looks saw one file; false where one of them saw none. */
export function isSameFile(one: FileIdentity | undefined, other: FileIdentity | undefined): boolean {
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}
