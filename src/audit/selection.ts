// The records that somebody asked for, among all lines.
import { type AuditRecord, parseRecord } from "./line.ts";

export interface Wanted {
  /** Of this grant alone. */
  readonly grant?: string | undefined;
  /** Written before that moment, in milliseconds since the epoch. */
  readonly beforeMs?: number | undefined;
  /** At most so many, the first that come; Infinity for all. */
  readonly limit: number;
}

/** What was found. */
export interface Selection {
  /** In the order of the lines. */
  readonly records: readonly AuditRecord[];
  /** Lines that are no records; only those that were looked at. */
  readonly malformed: number;
}

/** Those of the lines that are wanted; stops at the limit. */
export function select(lines: Iterable<string>, { grant, beforeMs, limit }: Wanted): Selection {
  const records: AuditRecord[] = [];
  let malformed = 0;
  if (limit <= 0) return { records, malformed };
  for (const line of lines) {
    const record = parseRecord(line);
    if (record === undefined) malformed += 1;
    else if ((grant === undefined || record.grant === grant) && (beforeMs === undefined || record.tsMs < beforeMs)) {
      records.push(record);
      if (records.length >= limit) break;
    }
  }
  return { records, malformed };
}
