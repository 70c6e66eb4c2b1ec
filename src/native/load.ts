// Which platform's libc, and what keyhole does to its own process with it. A platform without an entry is refused, so that
// keyhole never runs without its protections.
import { loadDarwin } from "./darwin.ts";
import { loadLinux } from "./linux.ts";
import type { Native } from "./native.ts";

const loaders: Readonly<Partial<Record<NodeJS.Platform, () => Native>>> = { linux: loadLinux, darwin: loadDarwin };

/** @throws Error on a platform that keyhole does not know. */
export function loadNative(): Native {
  const load = loaders[process.platform];
  if (load === undefined) throw new Error(`keyhole does not run on ${process.platform}`);
  return load();
}

/** For a process that holds secrets. */
export function harden(native: Native): void {
  // It runs as /proc/self/exe, or from a copy that is named after its build.
  native.setName("keyhole");
  native.forbidCoreDumps();
  native.forbidInspection();
}

/** In a process that starts from a closed file, if it can: a second line. */
export function loadHardened(): Native {
  const native = loadNative();
  harden(native);
  return native;
}
