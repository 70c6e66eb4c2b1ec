// The one table of errors: what each of them means, to a process, to a client and to strangers. Rules of voice: lower
// case, no period; the hint is a command that can be pasted where there is one.

interface ErrorRow {
  /** The number in an error reply (wire/PROTOCOL.md#6-errors). Never reused, never changed. */
  readonly number: number;
  /** The exit status of the client (help/statuses.md). */
  readonly exit: number;
  /**
   * Whether it goes away by itself: `at-once` while one daemon replaces another, and clients ask again; `soon`;
   * `perhaps`, unless something is set wrong. What passes ends no lease, and SDKs may try again.
   */
  readonly passes: "at-once" | "soon" | "perhaps" | "never";
  /** What ends it: other source credentials may, or a person; `nothing` where a grant only does what it was made for. */
  readonly mend: "keys" | "person" | "nothing";
  /** What the holder of a grant is told: a fixed text without AWS's words, paths and ARNs. Otherwise `internal`. */
  readonly holder: string | undefined;
  /** Whether a member, on the shared socket, is told the same. Otherwise `internal`. */
  readonly member: boolean;
  /** What a client in a grant's directory says when it cannot ask: its own message names a path. */
  readonly inside: string | undefined;
  readonly hint: string | undefined;
}

/** Only its own user reads it, and mends it. */
const own = { passes: "never", mend: "person", holder: undefined, member: false, inside: undefined } as const;
/** AWS, or the network on the way to it. */
const remote = { passes: "perhaps", mend: "person", member: true, inside: undefined } as const;
/** The source credentials are missing or not good. */
const source = { passes: "never", mend: "keys", member: true, inside: undefined } as const;
/** A grant does what it was made for. */
const granted = { passes: "never", mend: "nothing", member: false, inside: undefined } as const;

const NO_ANSWER = "no answer came in time";
const DAEMON_LOGS = "keyhole daemon logs";
const RESTART = "keyhole daemon restart";
const NEW_GRANT = "ask the owner of this grant for a new one";

/** A new error is a row: the compiler and test/wire say what else it needs. */
export const errors = {
  internal: { number: 1, exit: 1, ...own, holder: "the daemon cannot give these credentials", hint: DAEMON_LOGS },
  usage: { number: 2, exit: 2, ...own, hint: "keyhole --help" },
  "invalid-config": {
    number: 3,
    exit: 1,
    ...own,
    holder: "the config of this grant is not valid",
    hint: "keyhole config validate",
  },
  "config-exists": { number: 4, exit: 1, ...own, hint: undefined },
  "no-such-config": {
    number: 5,
    exit: 4,
    ...own,
    hint: "keyhole config list",
    holder: "the config of this grant no longer exists",
  },
  "no-such-session": { number: 6, exit: 4, ...own, hint: "keyhole daemon list" },
  unreachable: {
    number: 7,
    exit: 3,
    ...own,
    passes: "at-once",
    hint: "keyhole daemon start",
    inside: "the daemon does not answer for this grant",
  },
  "start-failed": { number: 8, exit: 3, ...own, passes: "perhaps", hint: DAEMON_LOGS },
  "already-running": { number: 9, exit: 1, ...own, hint: "keyhole daemon status" },
  "unsafe-path": { number: 10, exit: 1, ...own, hint: undefined },
  "person-needed": {
    number: 11,
    exit: 5,
    ...source,
    hint: undefined,
    holder: "a person has to renew the source of these credentials",
  },
  "no-source-credentials": {
    number: 12,
    exit: 5,
    ...source,
    hint: "aws configure list",
    holder: "these credentials no longer have a source",
  },
  "aws-refused": { number: 13, exit: 6, ...source, holder: "AWS refused to give these credentials", hint: undefined },
  throttled: {
    number: 14,
    exit: 7,
    ...remote,
    passes: "soon",
    hint: "try again in a few seconds",
    holder: "this daemon, or AWS, is asked too often",
  },
  network: {
    number: 15,
    exit: 7,
    ...remote,
    holder: "AWS cannot be reached",
    hint: "check the network, the proxy and AWS_ENDPOINT_URL_STS",
  },
  timeout: { number: 16, exit: 7, ...remote, holder: NO_ANSWER, inside: NO_ANSWER, hint: "keyhole daemon status" },
  "too-short": {
    number: 17,
    exit: 7,
    ...remote,
    holder: "AWS gave credentials that are too short to hand out",
    hint: "raise AssumeRole.DurationSeconds, and check this machine's clock",
  },
  blocked: {
    number: 18,
    exit: 8,
    ...own,
    inside: "this sandbox does not permit Unix sockets",
    hint: "keyhole grant add NAME --config CONFIG --deliver file",
  },
  forbidden: {
    number: 19,
    exit: 9,
    ...granted,
    hint: undefined,
    holder: "this socket gives the credentials of one grant to its holder, and nothing else",
  },
  "credential-loop": {
    number: 20,
    exit: 1,
    ...own,
    member: true,
    hint: undefined,
    holder: "the source of these credentials waits for them itself",
  },
  "bad-request": { number: 21, exit: 1, ...own, hint: undefined },
  "unknown-message": { number: 22, exit: 1, ...own, hint: RESTART },
  "unsupported-version": {
    number: 23,
    exit: 1,
    ...own,
    hint: RESTART,
    inside: "the daemon's answer is not understood here",
  },
  "shutting-down": {
    number: 24,
    exit: 3,
    ...granted,
    passes: "at-once",
    member: true,
    hint: "keyhole daemon start",
    holder: "the daemon is shutting down",
  },
  "not-executable": { number: 25, exit: 126, ...own, hint: undefined },
  "not-found": { number: 26, exit: 127, ...own, hint: undefined },
  interrupted: { number: 27, exit: 130, ...own, hint: undefined },
  "no-such-grant": { number: 28, exit: 4, ...own, hint: "keyhole grant list" },
  "grant-exists": { number: 29, exit: 1, ...own, hint: "keyhole grant list" },
  "invalid-grant": { number: 30, exit: 1, ...own, hint: "keyhole grant add --help" },
  expired: { number: 31, exit: 9, ...granted, holder: "this grant has expired", hint: NEW_GRANT },
  revoked: { number: 32, exit: 9, ...granted, holder: "this grant was revoked", hint: NEW_GRANT },
  "used-up": {
    number: 33,
    exit: 9,
    ...granted,
    hint: NEW_GRANT,
    holder: "this grant is used up",
  },
  denied: {
    number: 34,
    exit: 9,
    ...granted,
    holder: "a person was asked and did not allow it",
    hint: "ask the owner of this grant to allow it, and try again",
  },
  "code-wanted": {
    number: 37,
    exit: 5,
    ...own,
    member: true,
    holder: "a person has to give a code for these credentials",
    hint: "keyhole pending",
  },
  "surroundings-wanted": { number: 36, exit: 5, ...own, hint: RESTART },
  "not-a-grant": { number: 35, exit: 2, ...own, hint: "keyhole export -n NAME" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof errors;

/**
 * Every failure that a person or a client may see. `message` holds no secret, no value out of a config file, and on
 * a grant socket no ARN; the code that builds one from foreign text (AWS, a command) sees to that.
 */
export class KeyholeError extends Error {
  override readonly name = "KeyholeError";
  readonly kind: ErrorName;
  /** What to do; the table's default if none is given. */
  readonly hint: string | undefined;
  /** What a helper of the requester's said last: for the owner's eyes, on the control socket, and for no log. */
  readonly said: string;

  constructor(kind: ErrorName, message: string, hint?: string, said = "") {
    super(message);
    this.kind = kind;
    this.hint = hint ?? errors[kind].hint;
    this.said = said;
  }

  /** As the owner is told. */
  get told(): string {
    return this.said === "" ? this.message : `${this.message}: ${this.said}`;
  }

  get exitStatus(): number {
    return errors[this.kind].exit;
  }
}

/** Whatever was thrown, as an error to tell. The message of an unknown exception stays out: it could hold anything. */
export function keyholeErrorOf(error: unknown, kind: "internal" | "start-failed" = "internal"): KeyholeError {
  if (error instanceof KeyholeError) return error;
  const name = error instanceof Error ? error.name : typeof error;
  const code = codeOf(error);
  return new KeyholeError(kind, `unexpected failure (${code === undefined ? name : `${name}, ${code}`})`);
}

/** Whether what was thrown is a KeyholeError of one of these names. */
export function isErrorOf(error: unknown, ...kinds: readonly ErrorName[]): error is KeyholeError {
  return error instanceof KeyholeError && kinds.includes(error.kind);
}

/** The name of an error number from the wire; a number from a newer peer is `internal`. */
export function errorNameOf(number: number): ErrorName {
  for (const [name, row] of Object.entries(errors)) if (row.number === number) return name as ErrorName;
  return "internal";
}

// The codes of system errors.

/** The code of a system error: errno's name (`ENOENT`), for a certificate OpenSSL's; undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Whether an error is one of these: `isErrno(error, "ENOENT")`. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(codeOf(error) ?? "");
}
