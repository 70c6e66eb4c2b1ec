// What the daemon does to its own process before it serves, and what it knows of it.
import type { Native } from "../native/native.ts";

export function harden(native: Native): void {
  // It runs from a copy whose name is its build's.
  native.setName("keyhole");
  native.forbidCoreDumps();
  native.forbidInspection();
  // Whatever is made without a mode of its own is the owner's alone.
  process.umask(0o077);
}

/** 0 where nothing says it: on a Linux without /proc Bun throws, and Status has to be answered there too. */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
