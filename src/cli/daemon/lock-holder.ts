// Who holds a daemon's lock file: the proof that a pid in it is a daemon's, where the daemon itself does not answer.
import { closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { isErrno } from "../../errors.ts";
import { loadNative } from "../../native/load.ts";

/** Undefined if no process holds the lock: then the pid in the file is an old one, and may be another process's by now. */
export function lockHolder(path: string): number | undefined {
  return inspect(path, (descriptor) => (isFree(descriptor) ? undefined : readPid(descriptor)));
}

/**
 * As `lockHolder`, and leaves a free lock alone unless the pid in it is some process's: trying a lock takes it for a
 * moment, which a daemon that starts would meet.
 */
export function liveLockHolder(path: string): number | undefined {
  const pid = inspect(path, readPid);
  return pid !== undefined && exists(pid) ? lockHolder(path) : undefined;
}

/** Whether there is a lock file that no process holds. */
export function isLockFree(path: string): boolean {
  return inspect(path, isFree) === true;
}

/** The uid of the owner of the directory of lock and socket; undefined where it cannot be looked at. */
export function ownerOf(directory: string): number | undefined {
  try {
    return statSync(directory).uid;
  } catch {
    return undefined;
  }
}

/** Undefined where there is no lock file that can be opened. */
function inspect<Result>(path: string, look: (descriptor: number) => Result): Result | undefined {
  let descriptor: number;
  try {
    // Without waiting for a FIFO's writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return look(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Closing frees the lock again, if it was free; a daemon that starts at this very moment is told of another. */
function isFree(descriptor: number): boolean {
  return loadNative().lockFile(descriptor);
}

function readPid(descriptor: number): number | undefined {
  try {
    const pid = Number(readFileSync(descriptor, "latin1").trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    // A directory, or a FIFO without a writer.
    return undefined;
  }
}

/** Of any user's; a zombie counts, and has no lock. */
function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, "EPERM");
  }
}
