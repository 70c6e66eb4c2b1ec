// A grant's socket as a client asks it: a connection for each question, so that nothing is held that a revocation would cut.
// Where it cannot ask, it says fixed short texts without paths and ARNs, because SDKs put stderr into exceptions that end up
// anywhere.
import { askOnce } from "../../client/asking.ts";
import { type ErrorName, errors, KeyholeError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import type { Host } from "../command.ts";
import { existsSync, readFileSync } from "node:fs";
import { isAtHost } from "../../grants/names.ts";
import { directoryOf } from "../../paths.ts";
import type { Refusal } from "../../client/express.ts";
import { replyError } from "../../client/messaging.ts";
import { MalformedBody } from "../../wire/codec.ts";
import { FrameDecoder, RESPONSE_LIMIT } from "../../wire/frame.ts";

/** Milliseconds for which no daemon may listen, because it is being replaced. */
export const PATIENCE = 2000;
/** Milliseconds between two looks: 10, 20, … as long as this. */
const LONGEST_PAUSE = 100;

/**
 * @param host waits for a daemon that is being replaced; absent where the caller waits itself
 * @throws KeyholeError the grant's own, or one that names no place of this machine
 */
export async function fetchGrant(
  socket: string,
  { clientTimeout }: Pick<Settings, "clientTimeout">,
  host?: Pick<Host, "wait">,
): Promise<ResponseOf<"Fetch">> {
  try {
    return await (host === undefined
      ? askOnce(socket, clientTimeout, "Fetch", {})
      : fetchPatiently(socket, clientTimeout, host));
  } catch (error) {
    throw hidePlaces(error, socket);
  }
}

/** Where no daemon listens, asks again for a moment. @throws KeyholeError with places of this machine in it */
export async function fetchPatiently(
  socket: string,
  timeoutMs: number,
  host: Pick<Host, "wait">,
): Promise<ResponseOf<"Fetch">> {
  for (let pause = 10, waited = 0; ; waited += pause, pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await askOnce(socket, timeoutMs, "Fetch", {});
    } catch (error) {
      if (waited >= PATIENCE || !(error instanceof KeyholeError) || errors[error.kind].passes !== "at-once")
        throw error;
    }
    await host.wait(pause);
  }
}

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

/** @param refusal a whole frame with an error reply, or the end of all patience */
export function readRefusal(refusal: Refusal): KeyholeError {
  if (refusal === "timeout") return failureInside("timeout");
  try {
    const [frame] = new FrameDecoder(RESPONSE_LIMIT).push(refusal);
    return replyError(frame!.body);
  } catch (error) {
    if (!(error instanceof MalformedBody)) throw error;
    return failureInside("unsupported-version");
  }
}

/** How /proc/version ends under gVisor of any release, whatever kernel is below. */
export const GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016";

export function isGvisor(kernel = "/proc/version"): boolean {
  try {
    return readFileSync(kernel, "latin1").includes(GVISOR);
  } catch {
    return false;
  }
}
