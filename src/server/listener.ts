// A listening socket: bound where no other server listens, accepting the peers it may, up to a number of connections.
import type { Timer } from "../clock.ts";
import { KeyholeError, keyholeErrorOf } from "../errors.ts";
import { type BindingOptions, openBinding } from "./socket.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { type Caller, encodeError } from "./dispatch.ts";
import type { WitnessedPeer } from "./peers.ts";

export interface ListenerOptions extends ConnectionOptions, BindingOptions {
  /** One more closes one of the process that holds the most of them. */
  readonly maxConnections: number;
  /** @throws Error if the kernel does not say who it is. */
  readonly identify: (socket: object) => WitnessedPeer;
  readonly isAllowed: (peer: WitnessedPeer) => boolean;
  /** Called for each connection, when it counts. */
  readonly accepted?: (() => void) | undefined;
  /** Called for each of them, when it is closed. */
  readonly closed?: ((caller: Caller) => void) | undefined;
}

export interface Listener {
  readonly connections: number;
  /** Whether the file at the path is the socket that was bound, so that clients come here. */
  readonly isInPlace: boolean;
  /**
   * Binds the path anew where the socket's file was removed, after `prepare` has seen to its directory; connections stay.
   * The log says so, and what cannot be once for each reason.
   *
   * @returns why it cannot be; undefined where the socket is in its place
   */
  restore(prepare: () => void): Promise<KeyholeError | undefined>;
  /** Closes one connection, if there is any: as one too many does. */
  yieldOne(): void;
  /** Closes every connection at once, whatever it is owed; new ones are accepted. */
  hangUp(): void;
  /**
   * No new connections, and the socket's file is removed if it is still ours. Resolves when the answers that are owed
   * have been sent, or after `patience` milliseconds.
   */
  close(patience: number): Promise<void>;
}

const OWNER_ONLY = new KeyholeError(
  "forbidden",
  "this socket answers its owner only",
  "on the host, as its owner: keyhole grant add NAME --config CONFIG",
);

/** How long a refused peer has to read why, in milliseconds, and how many of them have it at once. */
const REFUSED_GRACE = 250;
const MAX_REFUSED = 8;
/** How often deadlines are looked at while one is running, in milliseconds. */
const SWEEP_INTERVAL = 250;

type Socket = Bun.Socket<Connection | undefined>;

/** @throws KeyholeError `already-running`, `unsafe-path`, or `usage` for a path that the kernel does not take. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { clock, log } = options;
  const sockets = new Set<Socket>();
  const refused = new Set<Socket>();
  let accepted = 0;
  let uses = 0;
  let sweepTimer: Timer | undefined;
  let emptied: (() => void) | undefined;
  let restoring: Promise<KeyholeError | undefined> | undefined;
  let notRestored: KeyholeError | undefined;

  const connectionOptions: ConnectionOptions = { ...options, deadlineBegan: watchDeadlines };
  const handlers: Bun.SocketHandler<Connection | undefined> = {
    binaryType: "uint8array",
    open: accept,
    data: ({ data }, chunk) => {
      data?.receive(chunk);
      afterUse(data);
    },
    drain: ({ data }) => {
      data?.drain();
      afterUse(data);
    },
    end: (socket) => {
      if (socket.data === undefined) socket.end();
      else socket.data.finish();
    },
    close: forget,
    error: (socket, error) => {
      log("error", "connection failed", { stack: error.stack });
      socket.terminate();
    },
  };
  const binding = await openBinding(options, handlers);

  function accept(socket: Socket): void {
    binding.accepted();
    let peer: WitnessedPeer;
    try {
      peer = options.identify(socket);
    } catch {
      socket.terminate();
      return;
    }
    if (!options.isAllowed(peer)) {
      log("warn", "connection refused", { uid: peer.uid, gid: peer.gid, pid: peer.pid });
      refuse(socket);
      return;
    }
    if (sockets.size >= options.maxConnections) evict();
    accepted += 1;
    socket.data = new Connection(socket, { ...peer, connection: accepted }, connectionOptions);
    socket.data.lastUse = ++uses;
    sockets.add(socket);
    options.accepted?.();
  }

  /** Says why, and closes a moment later: closed at once, it would look to a client like a connect that failed. */
  function refuse(socket: Socket): void {
    socket.write(encodeError(OWNER_ONLY));
    socket.shutdown();
    refused.add(socket);
    clock.after(REFUSED_GRACE, () => socket.terminate());
    for (const oldest of refused) if (refused.size > MAX_REFUSED && refused.delete(oldest)) oldest.terminate();
  }

  function evict(): void {
    const victim = chooseVictim([...sockets], ({ data }) => data!);
    if (victim !== undefined) cut(victim, "connection evicted");
  }

  function cut(socket: Socket, event: string): void {
    log("warn", event, { pid: socket.data?.caller.pid, uid: socket.data?.caller.uid });
    socket.terminate();
    forget(socket);
  }

  function afterUse(connection: Connection | undefined): void {
    if (connection !== undefined) connection.lastUse = ++uses;
  }

  function watchDeadlines(): void {
    sweepTimer ??= clock.after(SWEEP_INTERVAL, sweep);
  }

  function sweep(): void {
    sweepTimer = undefined;
    const now = clock.monotonic();
    for (const socket of sockets) {
      if (socket.data?.isOverdue(now) === true) cut(socket, "connection too slow");
      else if (socket.data?.hasDeadline === true) watchDeadlines();
    }
  }

  function forget(socket: Socket): void {
    refused.delete(socket);
    socket.data?.drop();
    const wasOpen = sockets.delete(socket);
    if (wasOpen && socket.data !== undefined) options.closed?.(socket.data.caller);
    if (sockets.size === 0) emptied?.();
  }

  async function putBack(prepare: () => void): Promise<KeyholeError | undefined> {
    const socket = options.path;
    try {
      prepare();
      if (!binding.isInPlace) await binding.rebind();
      notRestored = undefined;
      log("warn", "socket restored", { socket });
    } catch (error) {
      const { message } = keyholeErrorOf(error);
      if (message !== notRestored?.message) log("error", "socket not restored", { socket, error: message });
      notRestored = keyholeErrorOf(error);
    }
    return notRestored;
  }

  async function close(patience: number): Promise<void> {
    if (restoring !== undefined) await restoring;
    binding.close();
    const isEmpty = Promise.withResolvers<void>();
    emptied = isEmpty.resolve;
    if (sockets.size === 0) emptied();
    for (const socket of sockets) socket.data?.finish();
    const timer = clock.after(patience, isEmpty.resolve);
    await isEmpty.promise;
    timer.cancel();
    sweepTimer?.cancel();
    // Those of a socket that was bound before are not the server's.
    for (const socket of [...sockets, ...refused]) socket.terminate();
    binding.terminate();
  }

  return {
    get connections() {
      return sockets.size;
    },
    get isInPlace() {
      return binding.isInPlace;
    },
    restore: (prepare) => {
      restoring ??= putBack(prepare).finally(() => {
        restoring = undefined;
      });
      return restoring;
    },
    yieldOne: evict,
    hangUp: () => {
      for (const socket of sockets) {
        socket.terminate();
        forget(socket);
      }
    },
    close,
  };
}

/** What is asked of a connection. */
export interface Evictable {
  readonly caller: Caller;
  /** Whether an answer is owed. */
  readonly isBusy: boolean;
  /** Grows with every use of any connection. */
  readonly lastUse: number;
}

/**
 * Who gives up a connection when there are too many. A peer that hoards connections locks no other out: of the user who
 * holds the most, and of the process that does, the connection that has been idle longest is closed. A client that was accepted a moment ago and is not read yet
 * looks idle too, and processes are cheap to make.
 *
 * @returns undefined where there is none
 */
export function chooseVictim<Item>(items: readonly Item[], connectionOf: (item: Item) => Evictable): Item | undefined {
  const ofUser = mostAlike(items, (item) => connectionOf(item).caller.uid);
  const ofProcess = mostAlike(ofUser, (item) => connectionOf(item).caller.pid);
  const idle = ofProcess.filter((item) => !connectionOf(item).isBusy);
  const candidates = idle.length > 0 ? idle : ofProcess;
  return candidates.toSorted((a, b) => connectionOf(a).lastUse - connectionOf(b).lastUse)[0];
}

/** Those whose key the most others have; of several such keys all. */
function mostAlike<Item>(items: readonly Item[], keyOf: (item: Item) => number | undefined): Item[] {
  const counts = new Map<number | undefined, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return items.filter((item) => counts.get(keyOf(item)) === most);
}
