// What the daemon does to its own process before it serves, and what it knows of it.
import { readFileSync } from "node:fs";
import type { Native } from "../native/native.ts";

export function harden(native: Native): void {
  // It runs from a copy whose name is its build's.
  native.setName("keyhole");
  native.forbidCoreDumps();
  native.forbidInspection();
  // Whatever is made without a mode of its own is the owner's alone.
  process.umask(0o077);
}

/** How many descriptors this process may open; read before `harden`, which closes /proc/self to us. */
export function descriptorLimit(): number {
  try {
    const soft = /^Max open files +([0-9]+) /m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return Number(soft ?? Infinity);
  } catch {
    // No /proc: the default number of connections is below every limit that Bun raises to.
    return Infinity;
  }
}

/** 0 where nothing says it: on a Linux without /proc Bun throws, and Status has to be answered there too. */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
