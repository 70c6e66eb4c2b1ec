// What a client in a grant's directory says when it cannot ask: fixed short texts without paths and ARNs, because SDKs
// put stderr into exceptions that anybody may read.
import { type ErrorName, KeyholeError } from "../../errors.ts";

/** Each is a line for whoever made the grant: nobody inside can do anything about it. */
export const insideErrors = {
  unreachable: () =>
    new KeyholeError("unreachable", "nobody answers for this grant", "on the host: keyhole daemon start"),
  blocked: () =>
    new KeyholeError(
      "blocked",
      "this sandbox does not permit Unix sockets",
      "on the host: keyhole grant add NAME --config CONFIG --deliver file",
    ),
  timeout: () => new KeyholeError("timeout", "the broker gave no answer", "on the host: keyhole daemon status"),
  malformed: () =>
    new KeyholeError(
      "unsupported-version",
      "the broker's answer is not understood here",
      "on the host: keyhole daemon restart",
    ),
  /** Everything but credentials. */
  forbidden: () =>
    new KeyholeError("forbidden", "a grant gives credentials and nothing else", "keyhole export --format json"),
  otherName: () => new KeyholeError("forbidden", "this grant is for another name than the one given", "keyhole export"),
} as const;

/** A client's own failure to reach anyone in those words; what the broker answered, and all else, as it is. */
export function hidePlaces(error: unknown): unknown {
  if (!(error instanceof KeyholeError)) return error;
  const inside: Partial<Record<ErrorName, () => KeyholeError>> = {
    unreachable: insideErrors.unreachable,
    blocked: insideErrors.blocked,
    timeout: insideErrors.timeout,
    "unsupported-version": insideErrors.malformed,
  };
  return inside[error.kind]?.() ?? error;
}
