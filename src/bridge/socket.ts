// The socket on the side of the tools: to them it is the grant's.
import { systemClock } from "../clock.ts";
import { listen, type Listener } from "../server/listener.ts";
import type { PeerIdentity } from "../native/native.ts";
import type { Asker } from "./asking.ts";
import { forbidden, isFetch, REQUEST_LIMIT } from "./frames.ts";

/** For the user who runs this end: whoever else is in this sandbox was not given the grant. */
const OWNER_ONLY = 0o600;
/** As a grant's socket. */
const MAX_CONNECTIONS = 32;

export interface SocketOptions {
  /** Absolute; in a directory that is private. */
  readonly path: string;
  /** @throws Error if the kernel does not say who it is. */
  readonly identify: (socket: object) => PeerIdentity;
  readonly isAllowed: (peer: PeerIdentity) => boolean;
}

/** With the limits and deadlines of the daemon's own sockets. @throws KeyholeError as `listen` does. */
export function serveSocket({ ask }: Pick<Asker, "ask">, options: SocketOptions): Promise<Listener> {
  return listen({
    ...options,
    clock: systemClock,
    mode: OWNER_ONLY,
    maxConnections: MAX_CONNECTIONS,
    requestLimit: REQUEST_LIMIT,
    dispatch: (frame) => (isFetch(frame) ? ask() : forbidden),
    refusal: () => forbidden,
    // Whose requests these are the grant's daemon writes down.
    log: () => {},
  });
}
