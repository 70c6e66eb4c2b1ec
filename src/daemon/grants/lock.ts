// Which daemon serves the grants of a home: two with different sockets may share one, and one socket in a grant's
// directory is one daemon's.
import { KeyholeError } from "../../errors.ts";
import type { Lock } from "../lock.ts";

export interface GrantLock {
  readonly isHeld: boolean;
  /** Takes it where it is free. @throws KeyholeError `already-running`, `unsafe-path` */
  require(): void;
  release(): void;
}

/** @param take @throws KeyholeError `already-running` if another daemon holds it */
export function createGrantLock(take: () => Lock): GrantLock {
  let lock: Lock | undefined;
  return {
    get isHeld() {
      return lock !== undefined;
    },
    require: () => {
      try {
        lock ??= take();
      } catch (error) {
        throw error instanceof KeyholeError && error.kind === "already-running" ? servedElsewhere() : error;
      }
    },
    release: () => {
      lock?.release();
      lock = undefined;
    },
  };
}

function servedElsewhere(): KeyholeError {
  return new KeyholeError(
    "already-running",
    "another daemon of this home serves its grants, on another socket",
    "use that daemon's --socket-path, or end it",
  );
}
