// The grant that this process was given: where its socket is, and what it answers.
import { KeyholeError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import type { Host } from "../command.ts";
import { hidePlaces } from "./inside.ts";
import { fetchOnce, fetchPatiently, targetOf } from "./vend.ts";

/**
 * The socket beside this executable, or the one that was named, whatever it turns out to be.
 *
 * @param hint what to type where there is neither
 * @throws KeyholeError `not-a-grant`
 */
export function grantSocketOf(settings: Settings, host: Pick<Host, "command">, hint: string): string {
  const target = targetOf(settings, host);
  if (target.kind === "grant" || settings.isSocketNamed) return target.path;
  throw new KeyholeError("not-a-grant", "no grant's socket lies beside this executable", hint);
}

/**
 * Asks a grant for its credentials, over a connection of its own: nothing is held that a revocation would cut.
 *
 * @param host waits for a daemon that is being replaced; absent where whoever asks is patient himself
 * @throws KeyholeError the grant's own, or one that names no place of this machine
 */
export async function fetchGrant(
  socket: string,
  { clientTimeout }: Pick<Settings, "clientTimeout">,
  host?: Pick<Host, "wait">,
): Promise<ResponseOf<"Fetch">> {
  try {
    return await (host === undefined ? fetchOnce(socket, clientTimeout) : fetchPatiently(socket, clientTimeout, host));
  } catch (error) {
    throw hidePlaces(error);
  }
}
