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
  /** The process that connected had ended when it asked; the connection was somebody else's by then. */
  readonly exited?: true | undefined;
}

/**
 * What was decided. `vend`: credentials were asked for. `issue`: STS gave new ones, which `vend` lines then name.
 * `grant`, `revoke`, `remove`, `expire`: the life of a grant; these lines are never rotated out by others.
 * `session`: one was added or removed on the control socket. `confirm`: a person answered. `junk`: requests that are
 * none, counted. `daemon`: started or ended.
 */
export type AuditKind =
  "vend" | "issue" | "grant" | "revoke" | "remove" | "expire" | "session" | "confirm" | "junk" | "daemon";

/** Without a secret: the access key id is what joins a line to CloudTrail. */
export interface AuditEvent {
  readonly kind: AuditKind;
  /** Over which door. */
  readonly transport: "control" | "shared" | "socket" | "file" | "daemon";
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
  /** How many alike this line stands for; 1 if absent. */
  readonly count?: number | undefined;
  /** A fixed phrase. */
  readonly note?: string | undefined;
}

/** Writes events down. A full disk costs lines, never credentials. */
export type RecordAudit = (event: AuditEvent) => void;
