// Asking a grant's socket for its credentials: a connection for each question, so that nothing is held that a revocation
// would cut.
import { askOnce } from "../../client/asking.ts";
import { errors, KeyholeError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import type { Host } from "../command.ts";
import { hidePlaces } from "./inside.ts";

/** Milliseconds for which nobody may listen, because the broker is being replaced. */
export const PATIENCE = 2000;
/** Milliseconds between two looks: 10, 20, … as long as this. */
const LONGEST_PAUSE = 100;

/**
 * @param host waits for a daemon that is being replaced; absent where whoever asks is patient himself
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

/** Where nobody listens, asks again for a moment. @throws KeyholeError with places of this machine in it */
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
