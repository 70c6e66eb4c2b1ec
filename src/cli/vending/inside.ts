// What a client in a grant's directory says when it cannot ask: fixed short texts without paths and ARNs, because SDKs
// put stderr into exceptions that anybody may read.
import { existsSync } from "node:fs";
import { type ErrorName, errors, KeyholeError } from "../../errors.ts";
import { isAtHost } from "../../grants/names.ts";
import { directoryOf } from "../../paths.ts";
import { isGvisor } from "../gvisor.ts";

/** Each has a line for the grant's owner: no command inside mends it. */
export const insideErrors = {
  gvisor: (socket: string) =>
    new KeyholeError(
      "blocked",
      "gVisor does not permit Unix sockets of the host",
      `${gvisorAdvice}, or ${fileAdvice(directoryOf(socket)).replace("on the host: ", "")}`,
    ),
  /** Everything but credentials. */
  forbidden: () =>
    new KeyholeError("forbidden", "a grant gives credentials and nothing else", "keyhole export --format json"),
  otherName: () => new KeyholeError("forbidden", "this grant is for another name than the one given", "keyhole export"),
} as const;

/** What helps in a sandbox that forbids Unix sockets, in the words of the sandbox that sees this directory. */
export function fileAdvice(directory: string): string {
  const add = `on the host: ${errors.blocked.hint}`;
  return isAtHost(directory) ? `${add} --mount-at host` : add;
}

export const gvisorAdvice = "on the host: runsc --host-uds=open";

/** The error of a client that gets no answer. @param socket that it asked */
export function failureInside(kind: ErrorName, socket = ""): KeyholeError {
  const { inside = "no credentials", hint } = errors[kind];
  return new KeyholeError(kind, inside, kind === "blocked" ? fileAdvice(directoryOf(socket)) : `on the host: ${hint}`);
}

/** A client's own failure without its path; what the daemon answered, and all else, as it is. */
export function hidePlaces(error: unknown, socket: string, inGvisor: () => boolean = isGvisor): unknown {
  if (!(error instanceof KeyholeError) || errors[error.kind].inside === undefined) return error;
  const isRefused = error.kind === "unreachable" && existsSync(socket);
  return isRefused && inGvisor() ? insideErrors.gvisor(socket) : failureInside(error.kind, socket);
}
