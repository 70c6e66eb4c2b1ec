// A socket that listens at a path: bound there, accepting at a bounded rate, bound anew where somebody removed its file.
import { lstatSync, unlinkSync } from "node:fs";
import { codeOf } from "../errno.ts";
import { descriptorOf } from "../native/native.ts";
import type { Clock, Timer } from "../clock.ts";
import type { Log } from "./log.ts";
import { type Bound, bindSocket, isAt, listenAt, removeStaleSocket, type SocketPlace } from "./socketfile.ts";

export interface BindingOptions extends SocketPlace {
  /** A socket that listens at the path already: a service manager's, whose file outlives this process. */
  readonly inherited?: number | undefined;
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
  readonly clock: Clock;
  readonly log: Log;
}

export interface Binding {
  /** Whether the file at the path is the socket that was bound: whoever connects there comes here. */
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

/** Connections that are accepted within so many milliseconds; who comes later waits in the kernel's queue. */
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
