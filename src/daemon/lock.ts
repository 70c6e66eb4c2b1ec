// One daemon per socket: a lock that the kernel frees when its holder dies, however it dies.
import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, readSync, writeSync } from "node:fs";
import { KeyholeError } from "../errors.ts";
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
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const descriptor = openOwnFile(path, constants.O_RDWR, "lock file");
    if (!native.lockFile(descriptor)) {
      const holder = readHolder(descriptor);
      closeSync(descriptor);
      throw new KeyholeError("already-running", `a daemon is already running${holder}`);
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

function readHolder(descriptor: number): string {
  const text = Buffer.alloc(16);
  const pid = text.toString("latin1", 0, readSync(descriptor, text, 0, text.length, 0)).trim();
  return /^[0-9]+$/.test(pid) ? ` (pid ${pid})` : "";
}

function isStillAt(path: string, descriptor: number): boolean {
  const held = fstatSync(descriptor);
  const named = lstatSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino === held.ino && named.dev === held.dev;
}
