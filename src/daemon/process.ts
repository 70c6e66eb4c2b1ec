// What the daemon does to its own process before it serves, and what it knows of it.
import { existsSync, readFileSync } from "node:fs";
import { definedVariables, selectDaemonEnvironment } from "../environment.ts";
import type { Native } from "../native/native.ts";
import { MANAGER_VARIABLES } from "./manager.ts";

/**
 * A daemon that was started by hand or by a service manager gets the same environment as one that was launched. What
 * may be secret, or was obeyed by the runtime already, is gone only from a process that never had it: it starts again.
 */
export function cleanEnvironment(
  native: Native,
  words: readonly string[],
  environment: Record<string, string | undefined>,
): void {
  const wanted = selectDaemonEnvironment(environment);
  const unwanted = Object.keys(environment).filter((name) => !(name in wanted));
  if (unwanted.some((name) => /^(AWS|BUN|NODE)_/.test(name))) {
    native.execute(process.execPath, [...ownCommand(), "--daemon", ...words], {
      ...wanted,
      // The same process, so LISTEN_PID stays right.
      ...definedVariables(Object.fromEntries(MANAGER_VARIABLES.map((name) => [name, environment[name]]))),
    });
  }
  for (const name of unwanted) delete environment[name];
}

export function harden(native: Native): void {
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
    // No /proc: the default number of connections is below every limit that Bun raises to (BUN.md, 1).
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

/**
 * The file that this process runs, also when another one stands at its path by now; undefined where it runs from source.
 */
export function ownExecutable(): string | undefined {
  if (!Bun.isStandaloneExecutable) return undefined;
  return existsSync(OWN_IMAGE) ? OWN_IMAGE : process.execPath;
}

const OWN_IMAGE = "/proc/self/exe";

/** What runs this executable again; from source, with its script. */
export function ownCommand(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}
