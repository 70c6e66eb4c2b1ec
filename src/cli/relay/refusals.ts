// What the relay says when there are no credentials: a status by which SDKs decide whether to try again (they do on 5xx),
// and a fixed text, because it ends up in the messages of programs that nobody vouches for.
import { type ErrorName, errors } from "../../errors.ts";

export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** Exit statuses of what passes: the daemon, the network or STS is not there at the moment. */
const PASSING: readonly number[] = [3, 7];

const messages: Partial<Record<ErrorName, string>> = {
  expired: "this grant has expired",
  revoked: "this grant is revoked",
  "used-up": "this grant is used up",
  denied: "whoever made this grant denied it",
  forbidden: "this grant is not for this process",
  throttled: "too many requests",
  unreachable: "the daemon does not answer",
  "not-a-grant": "this is no grant's socket",
};

/** Of a failure of any kind; what is neither passing nor a bug of ours stays until somebody does something. */
export function refusalOf(kind: ErrorName): Refusal {
  const { exit } = errors[kind];
  const passes = PASSING.includes(exit);
  const status = passes ? 503 : kind === "internal" ? 500 : 403;
  const message = messages[kind] ?? (passes ? "no credentials at the moment" : "no credentials");
  return { status, code: kind, message };
}
