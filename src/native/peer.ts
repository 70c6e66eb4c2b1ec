// Who is at the other end of a socket of Bun's, and whether that is someone who may ask or answer.
import type { Native, PeerIdentity } from "./native.ts";

/** Bun's sockets have a descriptor that its types do not mention. */
interface WithDescriptor {
  readonly fd: number;
}

/** -1 once the socket is closed. */
export function descriptorOf(socket: object): number {
  return (socket as WithDescriptor).fd;
}

/** @throws Error if the kernel does not say who it is; the connection must then be refused. */
export function identifyPeer(native: Pick<Native, "peerIdentity">, socket: object): PeerIdentity {
  return native.peerIdentity(descriptorOf(socket));
}

/** Whom a control socket answers, and whom a client believes behind one, whatever the file's mode says. */
export function isOwnerOrRoot(peer: PeerIdentity, owner: number): boolean {
  return peer.uid === owner || peer.uid === 0;
}
