// What is read of a daemon from outside while it is under load, every few seconds.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { cpuTimeOf, type Machine } from "../machines.ts";
import { memoryOf } from "../memory.ts";

export interface Sample {
  /** Since the load began. */
  readonly minutes: number;
  /** MiB. */
  readonly resident: number;
  readonly anonymous: number;
  /** MiB, of the processes that the daemon has started. */
  readonly childResident: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly children: number;
  /** Connections by the daemon's own count. */
  readonly connections: number;
  /** Since the last sample. */
  readonly answers: number;
  /** Milliseconds; since the last sample. */
  readonly p99: number;
  /** Since the load began. */
  readonly failures: number;
  readonly stsCalls: number;
  /** KiB of all logs, and files below the home. */
  readonly logSize: number;
  readonly files: number;
  /** Seconds of CPU time that the daemon has taken since it started. */
  readonly cpu: number;
}

type Outside = Pick<
  Sample,
  "resident" | "anonymous" | "childResident" | "descriptors" | "threads" | "children" | "logSize" | "files" | "cpu"
>;

/** Needs root: the daemon shows its descriptors to nobody else. */
export function observe(machine: Machine, pid: number): Outside {
  const children = childrenOf(pid);
  const files = filesBelow(machine.paths.home);
  const logs = files.filter((path) => dirname(path) === dirname(machine.paths.log));
  return {
    ...memoryOf(pid),
    childResident: children.reduce((sum, child) => sum + residentOf(child), 0),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    children: children.length,
    logSize: logs.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0) / 1024,
    files: files.length,
    cpu: cpuTimeOf(pid) / 1e6,
  };
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      const text = readFileSync(`/proc/${pid}/task/${task}/children`, "latin1");
      return text.trim() === "" ? [] : text.trim().split(" ").map(Number);
    } catch {
      // A thread that ended meanwhile.
      return [];
    }
  });
}

function residentOf(pid: number): number {
  try {
    return memoryOf(pid).resident;
  } catch {
    return 0;
  }
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}
