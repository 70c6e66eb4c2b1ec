// What keyhole needs of libc that Bun does not offer. One small file per platform implements it.

/** Who is at the other end of a Unix socket, as the kernel says. Fixed when the peer called connect(). */
export interface PeerIdentity {
  readonly uid: number;
  readonly gid: number;
  /** Undefined where the platform does not say. */
  readonly pid: number | undefined;
  /** Its groups beside `gid`; absent where they were not asked for. */
  readonly groups?: readonly number[] | undefined;
}

/** The process that called connect(). */
export interface HeldPeer {
  isAlive(): boolean | undefined;
  close(): void;
}

/** The platform, as far as Bun does not offer it. */
export interface Native {
  /** @throws Error if the kernel does not answer; the connection must then be refused. */
  peerIdentity(socketDescriptor: number): PeerIdentity;
  /**
   * Whether the process that called connect() still lives, however its pid is used by now; a zombie does not. Undefined
   * where the platform does not say (macOS, Linux before 6.5), and for what is no connected Unix socket.
   */
  isPeerAlive(socketDescriptor: number): boolean | undefined;
  /** As `isPeerAlive`, from a descriptor of its own that stays open until `close`. Undefined where it says undefined. */
  holdPeer(socketDescriptor: number): HeldPeer | undefined;
  /** Groups of the peer beside its primary one; empty where the platform does not say. */
  peerGroups(socketDescriptor: number): number[];
  /** The path at which a Unix stream socket listens; undefined for every other descriptor. */
  listeningPath(descriptor: number): string | undefined;
  /** Sends a datagram to a Unix socket; `@name` is abstract. False where no receiver takes it at once. */
  sendDatagram(path: string, text: string): boolean;
  /** Keeps a descriptor from every program that is started from now on. */
  closeOnExecute(descriptor: number): boolean;
  /** Another descriptor of the same open file, which no program that is started gets; undefined if there can be none. */
  duplicate(descriptor: number): number | undefined;
  /** Whether other processes of this user may do that; always where the platform does not say. */
  isInspectable(): boolean;
  /** Closes /proc/PID/mem, environ and ptrace to other processes of this user. */
  forbidInspection(): void;
  /** What `ps`, `top` and `pkill` know this process by, where they would show its file's name. */
  setName(name: string): void;
  /** No core file, whatever happens. Inherited by children. */
  forbidCoreDumps(): void;
  /** Takes an exclusive lock without waiting. False if another open file holds it. Freed when the descriptor closes. */
  lockFile(descriptor: number): boolean;
  /**
   * Becomes another program: same process, same standard streams, default signal handling. Returns only on failure,
   * with the errno's name (`ENOENT`, `EACCES`).
   */
  execute(path: string, argv: readonly string[], environment: Readonly<Record<string, string>>): string;
  /**
   * The errno's name of socket(2) or connect(2) to a Unix socket, undefined where it works. Bun 1.4.5 says ECONNREFUSED
   * for EPERM, EOPNOTSUPP, EAFNOSUPPORT and ENOSYS, which is how sandboxes refuse it. Of a path longer than the platform's limit
   * it knows nothing useful. On Linux one that begins with a zero byte is an abstract name, and a full backlog is a
   * failure like any other; elsewhere it is waited for.
   */
  connectFailure(path: string): string | undefined;
}

// Who is at the other end of a socket of Bun's, and whether it may ask or answer.

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
