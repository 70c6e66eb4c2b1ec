// The one table of errors: name, number on the wire, exit status, default hint. Imports nothing.
// Rules of voice: lower case, no period; the hint is a command that can be pasted where there is one.

interface ErrorRow {
  /** The number in an error reply (wire/PROTOCOL.md#6-errors). Never reused, never changed. */
  readonly number: number;
  /** The exit status of the client (README.md#exit-statuses). */
  readonly exit: number;
  readonly hint?: string;
}

/** A new error is a row: the compiler and test/wire say what else it needs. */
export const errors = {
  internal: { number: 1, exit: 1, hint: "keyhole daemon logs" },
  usage: { number: 2, exit: 2, hint: "keyhole --help" },
  "invalid-config": { number: 3, exit: 1, hint: "keyhole config validate" },
  "config-exists": { number: 4, exit: 1 },
  "no-such-config": { number: 5, exit: 4, hint: "keyhole config list" },
  "no-such-session": { number: 6, exit: 4, hint: "keyhole daemon list" },
  unreachable: { number: 7, exit: 3, hint: "keyhole daemon start" },
  "start-failed": { number: 8, exit: 3, hint: "keyhole daemon logs" },
  "already-running": { number: 9, exit: 1, hint: "keyhole daemon status" },
  "unsafe-path": { number: 10, exit: 1 },
  "person-needed": { number: 11, exit: 5 },
  "no-source-credentials": { number: 12, exit: 5, hint: "aws configure list" },
  "aws-refused": { number: 13, exit: 6 },
  throttled: { number: 14, exit: 7, hint: "try again in a few seconds" },
  network: { number: 15, exit: 7, hint: "check the network, the proxy and AWS_ENDPOINT_URL_STS" },
  timeout: { number: 16, exit: 7, hint: "keyhole daemon status" },
  "too-short": { number: 17, exit: 7, hint: "raise AssumeRole.DurationSeconds, and check this machine's clock" },
  blocked: { number: 18, exit: 8, hint: "keyhole grant add NAME --config CONFIG --deliver file" },
  forbidden: { number: 19, exit: 9 },
  "credential-loop": { number: 20, exit: 1 },
  "bad-request": { number: 21, exit: 1 },
  "unknown-message": { number: 22, exit: 1, hint: "keyhole daemon restart" },
  "unsupported-version": { number: 23, exit: 1, hint: "keyhole daemon restart" },
  "shutting-down": { number: 24, exit: 3, hint: "keyhole daemon start" },
  "not-executable": { number: 25, exit: 126 },
  "not-found": { number: 26, exit: 127 },
  interrupted: { number: 27, exit: 130 },
  "no-such-grant": { number: 28, exit: 4, hint: "keyhole grant list" },
  "grant-exists": { number: 29, exit: 1, hint: "keyhole grant list" },
  "invalid-grant": { number: 30, exit: 1, hint: "keyhole grant add --help" },
  expired: { number: 31, exit: 9, hint: "ask whoever made this grant for a new one" },
  revoked: { number: 32, exit: 9, hint: "ask whoever made this grant for a new one" },
  "used-up": { number: 33, exit: 9, hint: "ask whoever made this grant for a new one" },
  denied: { number: 34, exit: 9, hint: "ask whoever made this grant to allow it, and try again" },
  "not-a-grant": { number: 35, exit: 2, hint: "keyhole export -n NAME" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof errors;

/**
 * Every failure that a person or a client may see. `message` holds no secret, no value out of a config file, and on
 * a grant socket no ARN; whoever builds one from foreign text (AWS, a command) vouches for that.
 */
export class KeyholeError extends Error {
  override readonly name = "KeyholeError";
  readonly kind: ErrorName;
  /** What to do; the table's default if none is given. */
  readonly hint: string | undefined;

  constructor(kind: ErrorName, message: string, hint?: string) {
    super(message);
    this.kind = kind;
    this.hint = hint ?? (errors[kind] as ErrorRow).hint;
  }

  get exitStatus(): number {
    return errors[this.kind].exit;
  }
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
