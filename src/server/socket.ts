// A socket that listens at a path: bound there with its mode, accepting at a bounded rate, bound anew where its file was
// removed, and told apart from other servers' files.
import { lchownSync, lstatSync, renameSync, rmSync, unlinkSync } from "node:fs";
import type { Clock, Timer } from "../clock.ts";
import { codeOf, isErrno, KeyholeError } from "../errors.ts";
import { type FileIdentity, isAt } from "../files/identity.ts";
import { bindingName } from "../files/writing.ts";
import { descriptorOf } from "../native/native.ts";
import { baseOf, directoryOf } from "../paths.ts";
import { quotePosix } from "../text/quoting.ts";
import type { Log } from "./log.ts";

export interface BindingOptions extends SocketPlace {
  /** A socket that listens at the path already: a service manager's, whose file outlives this process. */
  readonly inherited?: number | undefined;
  /**
   * Takes the place of whatever file is at the path, in one step and without asking it: no other server has business there.
   * If absent, a stale socket makes way and anything else is an error.
   */
  readonly replaces?: boolean | undefined;
  /**
   * Another descriptor of the same open file, closed in children; undefined if there can be none. Where this is given,
   * connections are accepted at a bounded rate: Bun accepts until none waits, so that a peer that connects in a loop would
   * hold the event loop for as long as they like.
   */
  readonly duplicate?: ((descriptor: number) => number | undefined) | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Binding {
  /** Whether the file at the path is the socket that was bound, so that clients come here. */
  readonly isInPlace: boolean;
  /** Counts a connection, and rests where there were too many. */
  accepted(): void;
  /** Binds the path anew. Throws as `openBinding` does, and leaves everything as it was. */
  rebind(): Promise<void>;
  /** No new connections; removes the socket's file if it is still ours. */
  close(): void;
  /** Closes the connections of the socket that was bound last, at once. */
  terminate(): void;
}

/** Connections that are accepted within so many milliseconds; later ones wait in the kernel's queue. */
const MOST_ACCEPTED = 64;
const ACCEPT_WINDOW = 10;

/** @throws KeyholeError `already-running`, `unsafe-path`, or `usage` for a path that the kernel does not take. */
export async function openBinding<Data>(
  options: BindingOptions,
  handlers: Bun.SocketHandler<Data | undefined>,
): Promise<Binding> {
  const { path, inherited, replaces, duplicate, clock, log } = options;
  if (inherited === undefined && replaces !== true) await removeStaleSocket(path);
  /** Without a file where nothing is accepted any more. */
  let bound: Bound<Data> =
    inherited === undefined
      ? bindSocket(options, handlers)
      : { server: listenAt(inherited, handlers), file: lstatSync(path) };
  /** Bun does not remove the file of a socket that it did not bind. */
  let isOurs = inherited === undefined;
  let acceptedNow = 0;
  let windowTimer: Timer | undefined;
  /** The socket that listens, while nothing is accepted. */
  let resting: number | undefined;

  /** The one way out of Bun's loop of accepts is to close its listener. */
  function accepted(): void {
    if (duplicate === undefined) return;
    windowTimer ??= clock.after(ACCEPT_WINDOW, acceptAgain);
    acceptedNow += 1;
    if (acceptedNow < MOST_ACCEPTED || resting !== undefined) return;
    resting = duplicate(descriptorOf(bound.server));
    if (resting !== undefined) bound.server.stop();
  }

  /** Where it fails, the socket has no place any more, and its watch binds it anew. */
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
      bound = { ...bound, file: undefined };
      log("error", "connections not accepted any more", { error: codeOf(error) ?? "unknown" });
    }
  }

  async function rebind(): Promise<void> {
    if (replaces !== true) await removeStaleSocket(path);
    acceptAgain();
    const { server } = bound;
    bound = bindSocket(options, handlers);
    isOurs = true;
    server.stop();
  }

  return {
    get isInPlace() {
      return isAt(path, bound.file);
    },
    accepted,
    rebind,
    close: () => {
      acceptAgain();
      bound.server.stop();
      if (isOurs && isAt(path, bound.file)) unlinkSync(path);
    },
    terminate: () => bound.server.stop(true),
  };
}

interface SocketPlace {
  /** Absolute. Its directory is private and exists; the caller holds the lock that belongs to it. */
  readonly path: string;
  /** Permissions of the socket file. */
  readonly mode: number;
  /** Its group; that of the process if absent. */
  readonly group?: number | undefined;
}

/** A server, and the file by which clients find it. */
interface Bound<Data> {
  readonly server: Bun.UnixSocketListener<Data | undefined>;
  readonly file: FileIdentity | undefined;
}

/**
 * Bun's stop() unlinks the path it bound, whatever stands there by then. So another name is bound, which is
 * then renamed: the socket appears at its path complete and with its mode, and only we remove it.
 *
 * @throws KeyholeError `unsafe-path`, or `usage` for a path that the kernel does not take.
 */
function bindSocket<Data>(
  { path, mode, group }: SocketPlace,
  handlers: Bun.SocketHandler<Data | undefined>,
): Bound<Data> {
  const boundPath = `${directoryOf(path)}/${bindingName(baseOf(path))}`;
  rmSync(boundPath, { force: true });
  const server = bind(boundPath, mode, handlers);
  if (group !== undefined) giveToGroup(boundPath, group, () => server.stop(true));
  renameSync(boundPath, path);
  return { server, file: lstatSync(path) };
}

/** Serves a socket that listens already. */
function listenAt<Data>(descriptor: number, handlers: Bun.SocketHandler<Data | undefined>) {
  // Neither its types nor its documentation mention `fd`.
  const options = { fd: descriptor, allowHalfOpen: true, socket: handlers, data: undefined } as unknown;
  return Bun.listen(options as Bun.UnixSocketOptions<Data | undefined>);
}

/**
 * Makes way for bind: removes a socket on which no server listens. Only the holder of the lock may call it. Between the
 * proof and the removal a process without our lock could bind there; an honest keyhole never does.
 *
 * @throws KeyholeError `already-running` if a server answers, `unsafe-path`
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

/** Binds with the mode from the first moment on: there is no instant at which the socket is open to others. */
function bind<Data>(path: string, mode: number, socket: Bun.SocketHandler<Data | undefined>) {
  const previous = process.umask(0o777 & ~mode);
  try {
    return Bun.listen<Data | undefined>({ unix: path, allowHalfOpen: true, socket, data: undefined });
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENAMETOOLONG")) {
      throw new KeyholeError("usage", `the socket path ${path} is too long`, "use a shorter --socket-path");
    }
    throw new KeyholeError("unsafe-path", `cannot bind ${path} (${codeOf(error) ?? "unknown"})`);
  } finally {
    process.umask(previous);
  }
}

/** A set-group-ID directory has done it already; in any other, a user who is no member of the group may not. */
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
