// Who is calling, and whether a control socket answers them.
import type { Native, PeerIdentity } from "../native/native.ts";

export type { PeerIdentity };

/** Bun's sockets have a descriptor that its types do not mention (BUN.md, 2). */
interface WithDescriptor {
  readonly fd: number;
}

/** @throws Error if the kernel does not say who it is; the connection must then be refused. */
export function identifyPeer(native: Native, socket: object): PeerIdentity {
  return native.peerIdentity((socket as WithDescriptor).fd);
}

/** On the control socket: the owner of the daemon or root, whatever the file's mode says (DESIGN.md, 8). */
export function isOwnerOrRoot(peer: PeerIdentity, ownerUid: number): boolean {
  return peer.uid === ownerUid || peer.uid === 0;
}
