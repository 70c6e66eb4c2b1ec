// The files of the audit: the one that is written, the older ones it was rotated to, and the small one that keeps the
// lives of grants whose lines were rotated out of those.
import { directoryOf } from "../paths.ts";

/** Bytes at which the file is rotated: as the log's. */
export const ROTATE_AT = 5 * 1000 * 1000;

/** How many old files are kept beside it: FILE.1, the youngest, to FILE.10. */
export const KEPT_FILES = 10;

/** The file that outlives rotation, beside the audit file. */
export function carriedPath(path: string): string {
  return `${directoryOf(path)}/audit-grants.jsonl`;
}
