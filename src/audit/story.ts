// One access key id: what it is, and who was given it.
import { type AuditPeer, type AuditRecord, parseRecord } from "./line.ts";

/** A process that was given the credentials; without a peer they lie in a file, whose readers are not known. */
export interface Holder {
  readonly transport: AuditRecord["transport"];
  readonly peer: AuditPeer | undefined;
  readonly times: number;
  /** ISO 8601, on this machine's clock. */
  readonly first: string;
  readonly last: string;
}

/** Undefined is what no line says any more. */
export interface Story {
  readonly accessKeyId: string;
  readonly grant: string | undefined;
  readonly config: string | undefined;
  readonly roleArn: string | undefined;
  readonly sessionName: string | undefined;
  /** Undefined where that line has been rotated out. */
  readonly issuedAt: string | undefined;
  readonly expiresAt: string | undefined;
  /** In the order of their first time. */
  readonly givenTo: readonly Holder[];
}

/**
 * @param lines from new to old
 * @returns undefined if no line names that key id.
 */
export function tellStory(lines: Iterable<string>, accessKeyId: string): Story | undefined {
  const records: AuditRecord[] = [];
  for (const line of lines) {
    if (!line.includes(accessKeyId)) continue;
    const record = parseRecord(line);
    if (record?.accessKeyId === accessKeyId) records.push(record);
  }
  if (records.length === 0) return undefined;
  records.reverse();
  const find = <Name extends keyof AuditRecord>(name: Name): AuditRecord[Name] | undefined =>
    records.find((record) => record[name] !== undefined)?.[name];
  return {
    accessKeyId,
    grant: find("grant"),
    config: find("config"),
    roleArn: find("roleArn"),
    sessionName: find("sessionName"),
    issuedAt: records.find(({ kind }) => kind === "issue")?.time,
    expiresAt: find("expiresAt"),
    givenTo: holdersOf(records),
  };
}

function holdersOf(records: readonly AuditRecord[]): Holder[] {
  const holders = new Map<string, Holder>();
  for (const { kind, outcome, transport, peer, count, time } of records) {
    if (kind !== "vend" || outcome !== "ok") continue;
    const key = JSON.stringify([
      transport,
      peer?.uid,
      peer?.gid,
      peer?.pid,
      peer?.executable,
      peer?.parent,
      peer?.exited,
    ]);
    const before = holders.get(key);
    holders.set(key, {
      transport,
      peer,
      times: (before?.times ?? 0) + (count ?? 1),
      first: before?.first ?? time,
      last: time,
    });
  }
  return [...holders.values()];
}

// The records that were asked for, among all lines.

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
