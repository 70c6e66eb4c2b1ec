// One line of the audit file: an event as it is written, with its time. Names as CloudTrail has them.
import { formatExpiration } from "../credentials.ts";

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
  operation: "string",
  resource: "string",
  region: "string",
  status: "number",
  bytesUp: "number",
  bytesDown: "number",
  ms: "number",
  requestId: "string",
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

// One line of the audit log. Types only.

/** Who asked, as the kernel said when it connected. */
export interface AuditPeer {
  readonly uid: number;
  readonly gid: number;
  readonly pid?: number | undefined;
  /** The path of its executable where that is the file at that path of the host, else `in a sandbox: PATH`. */
  readonly executable?: string | undefined;
  /** Of the process that started it, likewise, where it is keyhole itself. */
  readonly parent?: string | undefined;
  /** The process that connected had ended when it asked; another process had the connection by then. */
  readonly exited?: true | undefined;
}

/**
 * What was decided. `vend`: credentials were asked for. `sign`: a request of a sandbox, signed or refused. `issue`: STS gave new ones, which `vend` lines then name.
 * `grant`, `revoke`, `remove`, `expire`: the life of a grant; these lines are never rotated out by others.
 * `session`: one was added or removed on the control socket. `confirm`: a person answered. `junk`: requests that are
 * none, counted. `daemon`: started or ended.
 */
export type AuditKind =
  "vend" | "sign" | "issue" | "grant" | "revoke" | "remove" | "expire" | "session" | "confirm" | "junk" | "daemon";

/** Without a secret: the access key id is what joins a line to CloudTrail. */
export interface AuditEvent {
  readonly kind: AuditKind;
  /** Over which door. */
  readonly transport: "control" | "shared" | "socket" | "file" | "sign" | "daemon";
  /** `ok`, or the name of the error. */
  readonly outcome: string;
  readonly grant?: string | undefined;
  readonly config?: string | undefined;
  readonly roleArn?: string | undefined;
  readonly sessionName?: string | undefined;
  readonly accessKeyId?: string | undefined;
  /** Milliseconds since the epoch; written as `YYYY-MM-DDTHH:MM:SSZ`. */
  readonly expiresAt?: number | undefined;
  readonly peer?: AuditPeer | undefined;
  /** Of AWS, as `service:Operation`; of a request that a grant signs. */
  readonly operation?: string | undefined;
  /** What it names, where that is known: `bucket/key`, a table, a function. */
  readonly resource?: string | undefined;
  readonly region?: string | undefined;
  /** Of HTTP. */
  readonly status?: number | undefined;
  /** Of the bodies, both ways. */
  readonly bytesUp?: number | undefined;
  readonly bytesDown?: number | undefined;
  readonly ms?: number | undefined;
  /** AWS's own, as CloudTrail has it. */
  readonly requestId?: string | undefined;
  /** How many alike this line stands for; 1 if absent. */
  readonly count?: number | undefined;
  /** A fixed phrase. */
  readonly note?: string | undefined;
}

/** Writes events down. A full disk costs lines, never credentials. */
export type RecordAudit = (event: AuditEvent) => void;
