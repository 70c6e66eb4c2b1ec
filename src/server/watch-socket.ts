// Whether a daemon can still be reached. A program that cleans up below a home may remove the socket's file or its
// directory while the daemon lives; without this it would hold its lock and answer no client.
import { fstatSync, lstatSync, openSync, statSync } from "node:fs";
import { isSameFile } from "../files/identity.ts";
import { directoryOf } from "../paths.ts";
import type { Clock, Timer } from "../clock.ts";
import type { Listener } from "./listener.ts";

/** Milliseconds between two looks, two lstat each. Clients wait longer than this for a lock's holder to listen. */
const INTERVAL = 2000;

const STICKY = 0o1000;

/** Keeps every other server away from the path; held for as long as one serves there. */
export interface HeldLock {
  /** Whether the file that is locked is the one at its path. */
  readonly isInPlace: boolean;
  /** Idempotent. */
  release(): void;
}

export interface SocketWatchOptions {
  /** Absolute; of the socket. */
  readonly path: string;
  readonly listener: Pick<Listener, "isInPlace" | "restore">;
  readonly lock: HeldLock;
  /** Takes the lock that is at its path by now. @throws KeyholeError `already-running` if another daemon holds it. */
  readonly takeLock: () => HeldLock;
  /** Where the socket's server keeps everything: from another one it would serve without what it is to obey. */
  readonly home: Pick<PinnedHome, "isReplaced">;
  /** Makes the socket's directory, and checks it. */
  readonly makeDirectory: () => void;
  readonly clock: Clock;
  /** Ends the daemon: another one has its place, or the place is gone. */
  readonly giveWay: (reason: string) => void;
}

/** What is held at the end, when it is to be released. */
export interface SocketWatch {
  readonly lock: HeldLock;
  stop(): void;
}

/**
 * Looks after lock and socket, and puts back what is missing. A daemon whose lock another one has taken ends; so does
 * one whose home is gone, rather than make another.
 */
export function watchSocket(options: SocketWatchOptions): SocketWatch {
  const { path, listener, clock, giveWay } = options;
  let { lock } = options;
  let timer: Timer = clock.after(INTERVAL, look);
  let hasEnded = false;

  function look(): void {
    if (hasEnded) return;
    if (options.home.isReplaced) return giveWay("another home");
    if (lock.isInPlace && listener.isInPlace) timer = clock.after(INTERVAL, look);
    else void mend();
  }

  async function mend(): Promise<void> {
    if (!mayMakeDirectory(directoryOf(path))) return giveWay("home removed");
    const failure = await listener.restore(() => {
      options.makeDirectory();
      if (lock.isInPlace) return;
      const taken = options.takeLock();
      lock.release();
      lock = taken;
    });
    if (failure?.kind === "already-running" && !lock.isInPlace) return giveWay("replaced");
    if (!hasEnded) timer = clock.after(INTERVAL, look);
  }

  return {
    get lock() {
      return lock;
    },
    stop: () => {
      hasEnded = true;
      timer.cancel();
    },
  };
}

/** A directory as it was found first. */
export interface PinnedHome {
  /** Whether its path leads to another directory by now: a link was changed, or something was renamed. */
  readonly isReplaced: boolean;
}

/** Keeps it open, so that no other one gets its number while it is compared. */
export function pinHome(path: string): PinnedHome {
  const descriptor = openSync(path, "r");
  return {
    get isReplaced() {
      try {
        const found = statSync(path, { throwIfNoEntry: false });
        return found !== undefined && !isSameFile(found, fstatSync(descriptor));
      } catch {
        // The way to it is closed, and may be opened again.
        return false;
      }
    },
  };
}

/** Where it is there, or in a directory of ours: not in /tmp, where its removal means that the daemon is to go. */
function mayMakeDirectory(path: string): boolean {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return true;
    const parent = lstatSync(directoryOf(path), { throwIfNoEntry: false });
    return parent !== undefined && parent.uid === process.geteuid?.() && (parent.mode & STICKY) === 0;
  } catch {
    // The way to it is closed, and may be opened again.
    return true;
  }
}
