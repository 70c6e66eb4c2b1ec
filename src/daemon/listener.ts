// A listening socket: bound where nobody else listens, accepting whom it may, up to a number of connections.
import { lchownSync, lstatSync, renameSync, rmSync, type Stats, unlinkSync } from "node:fs";
import { codeOf, isErrno } from "../errno.ts";
import { KeyholeError } from "../errors.ts";
import { descriptorOf } from "../native/peer.ts";
import { directoryOf } from "../paths.ts";
import { quotePosix } from "../quoting.ts";
import type { Timer } from "./clock.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { type Caller, encodeError } from "./dispatcher.ts";
import type { WitnessedPeer } from "./peers.ts";

export interface ListenerOptions extends ConnectionOptions {
  /** Absolute. Its directory is private and exists; the caller holds the lock that belongs to it. */
  readonly path: string;
  /** Permissions of the socket file. */
  readonly mode: number;
  /** Its group; that of the process if absent. */
  readonly group?: number | undefined;
  /** A socket that listens at the path already: a service manager's, whose file outlives this process. */
  readonly inherited?: number | undefined;
  /** One more closes one of the process that holds the most of them. */
  readonly maxConnections: number;
  /** @throws Error if the kernel does not say who it is. */
  readonly identify: (socket: object) => WitnessedPeer;
  readonly isAllowed: (peer: WitnessedPeer) => boolean;
  /**
   * Takes the place of whatever file is at the path, in one step and without asking it: nobody else has business there.
   * If absent, a stale socket makes way and anything else is an error.
   */
  readonly replaces?: boolean | undefined;
  /**
   * Another descriptor of the same open file, closed in children; undefined if there can be none. Where this is given,
   * connections are accepted at a bounded rate: Bun accepts until none waits, so that whoever connects in a loop would
   * hold the event loop for as long as they like.
   */
  readonly duplicate?: ((descriptor: number) => number | undefined) | undefined;
  /** Called for each connection, when it counts. */
  readonly accepted?: (() => void) | undefined;
  /** Called for each of them, when it is closed. */
  readonly closed?: ((caller: Caller) => void) | undefined;
}

export interface Listener {
  readonly connections: number;
  /** Whether the file at the path is the socket that was bound: whoever connects there comes here. */
  readonly isInPlace: boolean;
  /**
   * Binds the path anew, after somebody removed the socket's file; connections stay. Its directory exists. Throws as
   * `listen` does, and leaves everything as it was.
   */
  rebind(): Promise<void>;
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

/** How long a refused peer has to read why, in milliseconds, and how many of them have it at once. */
const REFUSED_GRACE = 250;
const MAX_REFUSED = 8;
/** Connections that are accepted within so many milliseconds; who comes later waits in the kernel's queue. */
const MOST_ACCEPTED = 64;
const ACCEPT_WINDOW = 10;
/** How often deadlines are looked at while one is running, in milliseconds. */
const SWEEP_INTERVAL = 250;

type Socket = Bun.Socket<Connection | undefined>;

/** @throws KeyholeError `already-running`, `unsafe-path`, or `usage` for a path that the kernel does not take. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { path, clock, log } = options;
  const sockets = new Set<Socket>();
  const refused = new Set<Socket>();
  let accepted = 0;
  let uses = 0;
  let sweepTimer: Timer | undefined;
  let acceptedNow = 0;
  let windowTimer: Timer | undefined;
  /** The socket that listens, while nothing is accepted. */
  let resting: number | undefined;
  let emptied: (() => void) | undefined;

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
  if (options.inherited === undefined && options.replaces !== true) await removeStaleSocket(path);
  let bound = options.inherited === undefined ? place(options, handlers) : inherit(options.inherited, path, handlers);

  function accept(socket: Socket): void {
    pace();
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

  /** Counts, and rests where there were too many. The one way out of Bun's loop of accepts is to close its listener. */
  function pace(): void {
    if (options.duplicate === undefined) return;
    windowTimer ??= clock.after(ACCEPT_WINDOW, acceptAgain);
    acceptedNow += 1;
    if (acceptedNow < MOST_ACCEPTED || resting !== undefined) return;
    resting = options.duplicate(descriptorOf(bound.server));
    if (resting !== undefined) bound.server.stop();
  }

  /** Where it fails, the socket is in nobody's place any more, and is bound anew by who looks after it. */
  function acceptAgain(): void {
    windowTimer?.cancel();
    windowTimer = undefined;
    acceptedNow = 0;
    if (resting === undefined) return;
    const descriptor = resting;
    resting = undefined;
    try {
      bound = { ...bound, server: listenAt(descriptor, handlers) };
    } catch (error) {
      bound = { ...bound, file: NO_FILE };
      log("error", "connections not accepted any more", { error: codeOf(error) ?? "unknown" });
    }
  }

  /** Says why, and closes a moment later: closed at once, it would look to a client like a connect that failed. */
  function refuse(socket: Socket): void {
    socket.write(encodeError(new KeyholeError("forbidden", "this socket answers its owner only")));
    socket.shutdown();
    refused.add(socket);
    clock.after(REFUSED_GRACE, () => socket.terminate());
    for (const oldest of refused) if (refused.size > MAX_REFUSED && refused.delete(oldest)) oldest.terminate();
  }

  /**
   * Makes room, so that whoever hoards connections locks nobody out. The user who holds the most of them, and of theirs
   * the process that does, gives up the one that has been idle longest; a client that was accepted a moment ago and is
   * not read yet looks idle too, and processes are cheap to make.
   */
  function evict(): void {
    const ofUser = mostAlike([...sockets], ({ data }) => data?.caller.uid);
    const ofProcess = mostAlike(ofUser, ({ data }) => data?.caller.pid);
    const idle = ofProcess.filter(({ data }) => data?.isBusy === false);
    const [victim] = (idle.length > 0 ? idle : ofProcess).toSorted((a, b) => a.data!.lastUse - b.data!.lastUse);
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

  async function rebind(): Promise<void> {
    if (options.replaces !== true) await removeStaleSocket(path);
    acceptAgain();
    const { server } = bound;
    bound = place(options, handlers);
    server.stop();
  }

  async function close(patience: number): Promise<void> {
    acceptAgain();
    bound.server.stop();
    if (!bound.isInherited && isAt(path, bound.file)) unlinkSync(path);
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
    bound.server.stop(true);
  }

  return {
    get connections() {
      return sockets.size;
    },
    get isInPlace() {
      return isAt(path, bound.file);
    },
    rebind,
    yieldOne: () => void (sockets.size > 0 && evict()),
    hangUp: () => {
      for (const socket of sockets) {
        socket.terminate();
        forget(socket);
      }
    },
    close,
  };
}

/** Those whose key the most others have; of several such keys all. */
function mostAlike<Item>(items: readonly Item[], keyOf: (item: Item) => number | undefined): Item[] {
  const counts = new Map<number | undefined, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return items.filter((item) => counts.get(keyOf(item)) === most);
}

/** What stands at a path. */
type File = Pick<Stats, "ino" | "dev">;

/** No file has it. */
const NO_FILE: File = { ino: -1, dev: -1 };

/**
 * Bun's stop() unlinks the path it bound, whatever stands there by then (BUN.md, 1). So another name is bound, which is
 * then renamed: the socket appears at its path complete and with its mode, and only we remove it.
 */
function place({ path, mode, group }: ListenerOptions, handlers: Bun.SocketHandler<Connection | undefined>) {
  const boundPath = `${path}.${process.pid}`;
  rmSync(boundPath, { force: true });
  const server = bind(boundPath, mode, handlers);
  if (group !== undefined) giveToGroup(boundPath, group, () => server.stop(true));
  renameSync(boundPath, path);
  return { server, file: lstatSync(path) as File, isInherited: false };
}

/** A set-group-ID directory has done it already; in any other, whoever is no member of the group may not. */
function giveToGroup(path: string, group: number, giveUp: () => void): void {
  const { uid, gid } = lstatSync(path);
  if (gid === group) return;
  try {
    lchownSync(path, uid, group);
  } catch (error) {
    giveUp();
    const directory = directoryOf(path);
    const what = `the socket in ${directory} cannot be given to its group ${group} (${codeOf(error) ?? "unknown"})`;
    throw new KeyholeError("unsafe-path", what, `sudo chmod g+s ${quotePosix(directory)}`);
  }
}

/** Bun does not remove the file of a socket that it did not bind (BUN.md, 1). */
function inherit(descriptor: number, path: string, socket: Bun.SocketHandler<Connection | undefined>) {
  return { server: listenAt(descriptor, socket), file: lstatSync(path) as File, isInherited: true };
}

/** Serves a socket that listens already. */
function listenAt(descriptor: number, socket: Bun.SocketHandler<Connection | undefined>) {
  // Neither its types nor its documentation mention `fd`.
  const options = { fd: descriptor, allowHalfOpen: true, socket, data: undefined } as unknown;
  return Bun.listen(options as Bun.UnixSocketOptions<Connection | undefined>);
}

/** Binds with the mode from the first moment on: there is no instant at which the socket is open to others. */
function bind(path: string, mode: number, socket: Bun.SocketHandler<Connection | undefined>) {
  const previous = process.umask(0o777 & ~mode);
  try {
    return Bun.listen<Connection | undefined>({ unix: path, allowHalfOpen: true, socket, data: undefined });
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENAMETOOLONG")) {
      throw new KeyholeError("usage", `the socket path ${path} is too long`, "use a shorter --socket-path");
    }
    throw new KeyholeError("unsafe-path", `cannot bind ${path} (${codeOf(error) ?? "unknown"})`);
  } finally {
    process.umask(previous);
  }
}

/**
 * Makes way for bind: removes a socket that nobody listens on. Only the holder of the lock may call it. Between the
 * proof and the removal someone without our lock could bind there; an honest keyhole never does.
 */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new KeyholeError(
      "unsafe-path",
      `${path} is occupied by a file that is not a socket`,
      `ls -l ${quotePosix(path)}`,
    );
  }
  try {
    const probe = await Bun.connect({ unix: path, socket: { data: () => {} } });
    probe.end();
  } catch {
    unlinkSync(path);
    return;
  }
  throw new KeyholeError("already-running", `something already answers at ${path}`);
}

/** Whether it is that file, and not one that somebody else put there, who may also have closed the way to it. */
function isAt(path: string, { ino, dev }: File): boolean {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found !== undefined && found.ino === ino && found.dev === dev;
  } catch {
    return false;
  }
}
