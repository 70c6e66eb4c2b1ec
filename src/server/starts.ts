// When a process began: what tells it from a later one with its pid.
import { readFileSync } from "node:fs";
import { isErrno } from "../errors.ts";
import { loadDarwinStartOf } from "../native/darwin.ts";

/**
 * When the process of a pid began, as a text that no other process of this pid has, not even after the machine was
 * started again; undefined for one that has ended, also if its parent has not waited for it yet.
 *
 * @throws Error where it cannot be found out
 */
export type StartOf = (pid: number) => string | undefined;

export function loadStartOf(): StartOf {
  if (process.platform === "darwin") return loadDarwinStartOf();
  let boot: string | undefined;
  return (pid) => {
    const ticks = startTicksOf(pid);
    return ticks === undefined ? undefined : `${(boot ??= bootId())}/${ticks}`;
  };
}

/** In clock ticks since boot, field 22 of proc_pid_stat(5); the name in parentheses before it may hold anything. */
export function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie keeps its pid, and has ended.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** random(4); gVisor has none. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}
