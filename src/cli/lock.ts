// Who holds a daemon's lock file: the proof that a pid in it is a daemon's, where the daemon itself does not answer.
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { loadNative } from "../native/load.ts";

/** Undefined if nobody holds the lock: then the pid in the file is of the past, and may be anyone's by now. */
export function lockHolder(path: string): number | undefined {
  return inspect(path, (isFree, descriptor) => {
    if (isFree) return undefined;
    const pid = Number(readFileSync(descriptor, "latin1").trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  });
}

/** Whether there is a lock file, and nobody holds it. */
export function isLockFree(path: string): boolean {
  return inspect(path, (isFree) => isFree) === true;
}

/** Undefined where there is no lock file that can be opened. */
function inspect<Result>(path: string, look: (isFree: boolean, descriptor: number) => Result): Result | undefined {
  let descriptor: number;
  try {
    // Without waiting for a FIFO's writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    // Closing frees the lock again, if it was free; a daemon that starts at this very moment is told of another.
    return look(loadNative().lockFile(descriptor), descriptor);
  } finally {
    closeSync(descriptor);
  }
}
