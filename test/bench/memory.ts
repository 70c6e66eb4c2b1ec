// What a daemon keeps in memory, and the rows that say so.
import { readFileSync } from "node:fs";
import type { Machine } from "./machines.ts";
import { atMost, once, type Row } from "./report.ts";

export interface Memory {
  /** MiB. */
  readonly resident: number;
  readonly anonymous: number;
}

/** Milliseconds after which the runtime has collected what a burst left behind; it does so some 5 s after it. */
export const REST = 8000;

/**
 * A daemon is not dumpable, so its smaps_rollup is root's to read. Anybody else gets the kernel's own counts, which
 * may be off by some pages for each CPU.
 */
export function memoryOf(pid: number): Memory {
  const fields = readFields(`/proc/${pid}/smaps_rollup`) ?? readFields(`/proc/${pid}/status`)!;
  const mebibytes = (...names: string[]) => names.map((name) => fields.get(name)).find(Number.isFinite)! / 1024;
  return { resident: mebibytes("Rss", "VmRSS"), anonymous: mebibytes("Anonymous", "RssAnon") };
}

/**
 * @param state what the daemon has: `64 sessions, at rest`
 * @param limit MiB that may be resident
 */
export function memoryRows(machine: Machine, state: string, note: string, limit?: number): Row[] {
  const { resident, anonymous } = memoryOf(machine.daemonPid()!);
  const target = limit !== undefined && { target: atMost(limit, resident, " MiB") };
  return [
    { what: `daemon with ${state}, resident`, unit: "MiB", values: once(resident), ...target, note },
    { what: "of which anonymous", unit: "MiB", values: once(anonymous) },
  ];
}

/** `Name: 123 kB` by name. */
function readFields(path: string): Map<string, number> | undefined {
  try {
    const matches = readFileSync(path, "utf8").matchAll(/^(\w+):\s+(\d+) kB$/gm);
    return new Map([...matches].map(([, name, value]) => [name!, Number(value)]));
  } catch {
    return undefined;
  }
}
