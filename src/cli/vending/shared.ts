// Credentials from the shared daemon of this machine, which another user runs: asked, never started, and told nothing
// but the config's name.
import { Connection } from "../../client/connection.ts";
import { checkConfigName } from "../../configname.ts";
import { KeyholeError } from "../../errors.ts";
import { identifyPeer } from "../../native/peer.ts";
import type { Settings } from "../../settings.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import { refuseImpostor } from "./impostor.ts";

/** Which configs a member may have, only the operator knows: there is nothing to choose from. */
export function requireSharedName(name: string | undefined): string {
  if (name !== undefined) return checkConfigName(name);
  throw new KeyholeError(
    "usage",
    "-n NAME is missing",
    "ask whoever runs the shared daemon for the names of its configs",
  );
}

/**
 * @param own uid of this process
 * @throws KeyholeError `unsafe-path` for whoever has no business there; what the daemon answers; `unreachable` where nobody does, and `forbidden` for whoever is not in
 *   the socket's group. Both name the socket of the user's own as well, which was looked for first (PEERS.md A-015).
 */
export async function vendShared(settings: Settings, own: number, config: string): Promise<ResponseOf<"Vend">> {
  const connection = await open(settings);
  try {
    const { loadNative } = await import("../../native/load.ts");
    const peer = connection.identify((socket) => identifyPeer(loadNative(), socket));
    refuseImpostor(peer, settings.paths.sharedSocket, own);
    return await connection.request("Vend", { config });
  } finally {
    connection.close();
  }
}

async function open({ paths, isSocketNamed, clientTimeout }: Settings): Promise<Connection> {
  const { socket, sharedSocket } = paths;
  try {
    return await Connection.open(sharedSocket, { timeoutMs: clientTimeout });
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    const tried = isSocketNamed ? "" : `, nor is there one of your own at ${socket}`;
    if (error.kind === "unreachable") {
      throw new KeyholeError(
        "unreachable",
        `no daemon answers at the shared socket ${sharedSocket} (autostart suppressed)${tried}`,
        "start it as its operator: keyhole --daemon --shared",
      );
    }
    // Which file mode or sandbox it was, is what the hint is about: EPERM is a sandbox's.
    if (error.kind !== "blocked" || error.message.endsWith("(EPERM)")) throw error;
    throw new KeyholeError(
      "forbidden",
      `the daemon at the shared socket ${sharedSocket} does not serve this user${tried}`,
      "ask its operator to run: sudo keyhole setup agent-access --agent-user USER",
    );
  }
}
