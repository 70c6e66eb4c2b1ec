// One daemon per socket: a lock that the kernel frees when its holder dies, however it dies.
import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, readSync, writeSync } from "node:fs";
import { KeyholeError } from "../errors.ts";
import { isSameFile } from "../files/identity.ts";
import { openOwnFile } from "../files/writing.ts";
import type { Native } from "../native/native.ts";

export interface Lock {
  /** Whether the file at the path is the one that is locked: else somebody else may hold the lock of that name. */
  readonly isInPlace: boolean;
  release(): void;
}

/** Somebody may remove the file between our open and our lock; that it happens so often in a row is no accident. */
const ATTEMPTS = 10;

/**
 * Takes the lock file's lock, without waiting, and writes our pid into it. The file is never removed: a lock on a name
 * that someone else may re-create locks nothing.
 *
 * @throws KeyholeError `already-running` with the holder's pid, `unsafe-path` as openOwnFile does.
 */
export function takeLock(path: string, native: Native): Lock {
  const outcome = tryLock(path, native);
  if (typeof outcome !== "string") return outcome;
  throw alreadyRunning(outcome);
}

/**
 * As `takeLock`, and waits for whoever holds the lock at first; somebody else who comes before us keeps it.
 *
 * @param wait lets a little time pass
 * @param patience how often that is done
 * @param waiting called before the first time
 */
export async function awaitLock(
  path: string,
  native: Native,
  wait: () => Promise<void>,
  patience: number,
  waiting: () => void,
): Promise<Lock> {
  const first = tryLock(path, native);
  if (typeof first !== "string") return first;
  waiting();
  for (let times = 0; times < patience; times++) {
    await wait();
    const outcome = tryLock(path, native);
    if (typeof outcome !== "string") return outcome;
    // One that has just taken it may not have written its pid yet.
    if (outcome !== first && outcome !== "") throw alreadyRunning(outcome);
  }
  throw alreadyRunning(first);
}

function alreadyRunning(holder: string): KeyholeError {
  return new KeyholeError("already-running", `a daemon is already running${holder}`);
}

/** The lock, or who holds it. */
function tryLock(path: string, native: Native): Lock | string {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const descriptor = openOwnFile(path, constants.O_RDWR, "lock file");
    if (!native.lockFile(descriptor)) {
      const holder = readHolder(descriptor);
      closeSync(descriptor);
      return holder;
    }
    if (isStillAt(path, descriptor)) {
      writeHolder(descriptor);
      return {
        get isInPlace() {
          return isStillAt(path, descriptor);
        },
        release: () => closeSync(descriptor),
      };
    }
    closeSync(descriptor);
  }
  throw new KeyholeError("internal", `the lock file ${path} keeps disappearing`);
}

/** For people, and `daemon kill`. A full disk costs the number, never the daemon. */
function writeHolder(descriptor: number): void {
  ftruncateSync(descriptor);
  try {
    writeSync(descriptor, `${process.pid}\n`, 0);
  } catch {}
}

/** ` (pid 77)`; empty where the file does not say. */
function readHolder(descriptor: number): string {
  const text = Buffer.alloc(16);
  const pid = text.toString("latin1", 0, readSync(descriptor, text, 0, text.length, 0)).trim();
  return /^[0-9]+$/.test(pid) ? ` (pid ${pid})` : "";
}

function isStillAt(path: string, descriptor: number): boolean {
  return isSameFile(lstatSync(path, { throwIfNoEntry: false }), fstatSync(descriptor));
}
