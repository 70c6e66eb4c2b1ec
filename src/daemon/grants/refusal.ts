// What a grant socket says instead of credentials: a fixed text for each kind of error. What happened is in the log, in
// `grant show` and in the audit, for the grant's owner.
import { type ErrorName, errors, KeyholeError } from "../../errors.ts";
import { encodeError } from "../../server/dispatch.ts";

/** The kind that a holder is told. */
export function kindOnSocket(kind: ErrorName): ErrorName {
  return errors[kind].holder === undefined ? "internal" : kind;
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
  const { holder, passes } = errors[kind];
  if (holder === undefined) return refusalOf("internal", grant);
  const waits = passes === "at-once" || passes === "soon";
  const hint = waits ? "try again in a few seconds" : `ask whoever made this grant: keyhole grant show ${grant}`;
  return new KeyholeError(kind, holder, hint);
}
