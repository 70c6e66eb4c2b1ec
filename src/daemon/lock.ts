// One daemon per socket: a lock that the kernel frees when its holder dies, however it dies.
import { closeSync, constants, existsSync, fstatSync, ftruncateSync, readSync, rmSync, writeSync } from "node:fs";
import { KeyholeError } from "../errors.ts";
import { isAt } from "../files/identity.ts";
import { openOwnFile } from "../files/writing.ts";
import type { Native } from "../native/native.ts";

export interface Lock {
  /** Whether the file at the path is the one that is locked: else another daemon may hold the lock of that name. */
  readonly isInPlace: boolean;
  /** Idempotent. */
  release(): void;
}

/** The file may be removed between our open and our lock; that it happens so often in a row is no accident. */
const ATTEMPTS = 10;

/**
 * Takes the lock file's lock, without waiting, and writes our pid into it. The file is never removed: a lock on a name
 * that another process may re-create locks nothing.
 *
 * @throws KeyholeError `already-running` with the holder's pid, `unsafe-path` as openOwnFile does.
 */
export function takeLock(path: string, native: Native): Lock {
  const outcome = tryLock(path, native);
  if (typeof outcome !== "string") return outcome;
  throw alreadyRunning(outcome);
}

/** How a lock is waited for: between two looks at it, and how often. */
export interface Patience {
  readonly pause: () => Promise<void>;
  readonly times: number;
}

/** For 20 s. */
const PATIENCE: Patience = { pause: () => new Promise((resolve) => void setTimeout(resolve, 1)), times: 20_000 };

/** The lock that a daemon holds while it replaces another: from before it asks for `path`'s until it serves or fails. */
function nextOf(path: string): string {
  return `${path}.next`;
}

/** Of a daemon that is to replace another. */
export interface Succession {
  readonly lock: Lock;
  /** To be called once it serves: until then the other one is there, and goes on if this one ends. */
  readonly complete: () => void;
}

/**
 * As `takeLock`, and waits for the one that holds the lock at first; another that comes before us keeps it.
 *
 * @param waiting called when everything waits for the other daemon
 */
export async function succeed(
  path: string,
  native: Native,
  waiting: () => void,
  patience: Patience = PATIENCE,
): Promise<Succession> {
  // Two that are to replace it do so one after the other.
  const next = await awaitLock(nextOf(path), native, patience, () => true);
  try {
    const first = tryLock(path, native);
    if (typeof first === "string") waiting();
    // One that has just taken it may not have written its pid yet.
    const isPatient = (holder: string) => holder === first || holder === "";
    const lock = typeof first === "string" ? await awaitLock(path, native, patience, isPatient) : first;
    return { lock, complete: () => clear(path, next) };
  } catch (error) {
    clear(path, next);
    throw error;
  }
}

/** Whether a daemon waits for this one's lock. */
export function hasSuccessor(path: string, native: Native): boolean {
  if (!existsSync(nextOf(path))) return false;
  const outcome = tryLock(nextOf(path), native);
  if (typeof outcome === "string") return true;
  clear(path, outcome);
  return false;
}

/** Leaves nothing behind. A lock on the removed file counts for nothing (`tryLock`). */
function clear(path: string, next: Lock): void {
  if (next.isInPlace) rmSync(nextOf(path), { force: true });
  next.release();
}

/** Of a daemon that has released its lock for another: the lock again if that one failed, undefined if it serves. */
export async function awaitSuccessor(
  path: string,
  native: Native,
  { pause }: Patience = PATIENCE,
): Promise<Lock | undefined> {
  while (hasSuccessor(path, native)) await pause();
  const outcome = tryLock(path, native);
  return typeof outcome === "string" ? undefined : outcome;
}

/** @param isPatient whether to wait for this holder */
async function awaitLock(
  path: string,
  native: Native,
  { pause, times }: Patience,
  isPatient: (holder: string) => boolean,
): Promise<Lock> {
  for (let time = 0; ; time++) {
    const outcome = tryLock(path, native);
    if (typeof outcome !== "string") return outcome;
    if (time === times || !isPatient(outcome)) throw alreadyRunning(outcome);
    await pause();
  }
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
    if (isAt(path, fstatSync(descriptor))) {
      writeHolder(descriptor);
      let isHeld = true;
      return {
        get isInPlace() {
          return isAt(path, fstatSync(descriptor));
        },
        release: () => {
          if (isHeld) closeSync(descriptor);
          isHeld = false;
        },
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
