// Children that have ended, for a process that inherits other processes' children: the first one of a sandbox.
import { openLibc } from "./libc.ts";

/** sys/wait.h, the same on Linux and macOS. */
const ANY_CHILD = -1;
const WNOHANG = 1;
const SIGNAL_BITS = 0x7f;

export interface EndedChild {
  readonly pid: number;
  /** As a shell has it: the exit status, or 128 and the signal's number. */
  readonly status: number;
}

/** Waits for one child, started by any process, that has ended already; undefined if there is none. */
export type ReapChild = () => EndedChild | undefined;

export function loadReapChild(): ReapChild {
  const libc = openLibc({ waitpid: { args: ["i32", "buffer", "i32"], returns: "i32" } });
  const status = new Int32Array(1);
  return () => {
    const pid = libc.waitpid(ANY_CHILD, status, WNOHANG);
    return pid > 0 ? { pid, status: statusOf(status[0]!) } : undefined;
  };
}

/** WIFEXITED and its sisters of sys/wait.h. */
function statusOf(status: number): number {
  const signal = status & SIGNAL_BITS;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}
