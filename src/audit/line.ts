// One line of the audit file: an event as it is written, with its time. Names as CloudTrail has them.
import { formatExpiration } from "../credentials.ts";
import type { AuditEvent, AuditKind } from "./event.ts";

/** What a line holds. `time` and `tsMs` are the same moment on this machine's clock, in ISO 8601 and since the epoch. */
export interface AuditRecord extends Omit<AuditEvent, "expiresAt"> {
  readonly time: string;
  readonly tsMs: number;
  /** `YYYY-MM-DDTHH:MM:SSZ`, on AWS's clock. */
  readonly expiresAt?: string | undefined;
}

/** The life of a grant; rotation loses no such line. */
const KEPT_KINDS: ReadonlySet<AuditKind> = new Set(["grant", "revoke", "remove", "expire"]);

/** Whether lines of a kind outlive rotation. */
export function isKept(kind: AuditKind): boolean {
  return KEPT_KINDS.has(kind);
}

/** An event as it is written down. Time and kind come first, where `kindOfLine` finds them. */
export function toRecord(event: AuditEvent, now: number): AuditRecord {
  const { kind, expiresAt, ...rest } = event;
  return {
    time: new Date(now).toISOString(),
    tsMs: Math.floor(now),
    kind,
    ...rest,
    ...(expiresAt !== undefined && { expiresAt: formatExpiration(expiresAt) }),
  };
}

/** The kind of a line without parsing all of it: what stands before it is ours, whatever a peer put behind. */
export function kindOfLine(line: string): string | undefined {
  return /^\{"time":"[^"]*","tsMs":[0-9]+,"kind":"([a-z]+)"/.exec(line)?.[1];
}

/** Undefined for what is none: a line that a crash or a full disk cut. */
export function parseRecord(line: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Of the fields that are read as something, whatever version wrote the line; the others are only shown. */
const FIELDS: Readonly<Record<string, "string" | "number" | "object">> = {
  grant: "string",
  config: "string",
  roleArn: "string",
  sessionName: "string",
  accessKeyId: "string",
  expiresAt: "string",
  note: "string",
  count: "number",
  peer: "object",
};

function isRecord(value: unknown): value is AuditRecord {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Record<string, unknown>;
  const isHeaded =
    typeof record["time"] === "string" &&
    Number.isFinite(record["tsMs"]) &&
    [record["kind"], record["transport"], record["outcome"]].every((word) => typeof word === "string");
  if (!isHeaded || record["peer"] === null) return false;
  return Object.entries(FIELDS).every(([name, type]) => record[name] === undefined || typeof record[name] === type);
}
