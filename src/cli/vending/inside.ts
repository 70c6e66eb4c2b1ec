// What a client in a grant's directory says when it cannot ask: fixed short texts without paths and ARNs, because SDKs
// put stderr into exceptions that anybody may read.
import { existsSync } from "node:fs";
import { type ErrorName, KeyholeError } from "../../errors.ts";
import { isAtHost } from "../../grants/directory.ts";
import { directoryOf } from "../../paths.ts";
import { isGvisor } from "../gvisor.ts";

/** Each is a line for whoever made the grant: nobody inside can do anything about it. */
export const insideErrors = {
  unreachable: () =>
    new KeyholeError("unreachable", "nobody answers for this grant", "on the host: keyhole daemon start"),
  blocked: (socket: string) =>
    new KeyholeError("blocked", "this sandbox does not permit Unix sockets", fileAdvice(directoryOf(socket))),
  gvisor: (socket: string) =>
    new KeyholeError(
      "blocked",
      "gVisor does not permit Unix sockets of the host",
      `${gvisorAdvice}, or ${fileAdvice(directoryOf(socket)).replace("on the host: ", "")}`,
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

/** What helps in a sandbox that forbids Unix sockets, in the words of the sandbox that sees this directory. */
export function fileAdvice(directory: string): string {
  const add = "on the host: keyhole grant add NAME --config CONFIG --deliver file";
  return isAtHost(directory) ? `${add} --mount-at host` : add;
}

export const gvisorAdvice = "on the host: runsc --host-uds=open";

/**
 * A client's own failure to reach anyone in those words; what the broker answered, and all else, as it is.
 *
 * @param socket that was asked
 */
export function hidePlaces(error: unknown, socket: string, inGvisor: () => boolean = isGvisor): unknown {
  if (!(error instanceof KeyholeError)) return error;
  const isRefused = error.kind === "unreachable" && existsSync(socket);
  if (isRefused && inGvisor()) return insideErrors.gvisor(socket);
  const inside: Partial<Record<ErrorName, (socket: string) => KeyholeError>> = {
    unreachable: insideErrors.unreachable,
    blocked: insideErrors.blocked,
    timeout: insideErrors.timeout,
    "unsupported-version": insideErrors.malformed,
  };
  return inside[error.kind]?.(socket) ?? error;
}
