// What a grant socket says instead of credentials: a fixed text for each kind of error. Never AWS's words, a path, an
// ARN or anything out of a config; those are in the log, in `grant show` and in the audit, for whoever made the grant.
import { type ErrorName, KeyholeError } from "../../errors.ts";
import { encodeError } from "../../server/dispatch.ts";

/** Kinds that are not named here are `internal`: a holder has nothing to do with them. */
const texts = {
  forbidden: "this socket gives one grant's credentials to whom it was made for, and does nothing else",
  revoked: "this grant was revoked",
  expired: "this grant has expired",
  "used-up": "this grant has been used as often as it may be",
  denied: "a person was asked and did not allow it",
  throttled: "this grant is asked too often, or AWS is",
  "aws-refused": "AWS refused the credentials of this grant",
  "person-needed": "a person has to renew the source of this grant's credentials",
  "no-source-credentials": "this grant's credentials have no source any more",
  "credential-loop": "the source of this grant's credentials waits for them itself",
  "invalid-config": "the config of this grant is not valid",
  "no-such-config": "the config of this grant does not exist any more",
  network: "AWS cannot be reached",
  timeout: "AWS did not answer in time",
  "too-short": "AWS gave credentials that are too short to hand out",
  "shutting-down": "the daemon is shutting down",
  internal: "the daemon cannot give this grant's credentials",
} as const satisfies Partial<Record<ErrorName, string>>;

/** Kinds that pass by themselves: asking a person changes nothing. */
const PASSING: ReadonlySet<ErrorName> = new Set<ErrorName>(["throttled", "shutting-down"]);

/** The kind that a holder is told. */
export function kindOnSocket(kind: ErrorName): keyof typeof texts {
  return kind in texts ? (kind as keyof typeof texts) : "internal";
}

/** The error reply of each kind for one grant, made once, so that it is the same bytes every time. */
export function createRefusals(grant: string): (kind: ErrorName) => Uint8Array {
  const frames = new Map<ErrorName, Uint8Array>();
  return (kind) => {
    const told = kindOnSocket(kind);
    const frame = frames.get(told) ?? encodeError(refusalOf(told, grant));
    frames.set(told, frame);
    return frame;
  };
}

/** The holder knows the grant's name: it stands in every answer. */
export function refusalOf(kind: ErrorName, grant: string): KeyholeError {
  const told = kindOnSocket(kind);
  const hint = PASSING.has(told)
    ? "try again in a few seconds"
    : `ask whoever made this grant: keyhole grant show ${grant}`;
  return new KeyholeError(told, texts[told], hint);
}
