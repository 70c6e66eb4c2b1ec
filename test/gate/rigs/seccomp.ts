// What coding agents' sandboxes forbid, as filters of system calls in files.
import { writeFileSync } from "node:fs";
import { scratch } from "../../interop/run.ts";
import { type FilteredCall, makeFilter } from "../../seccomp.ts";

const EPERM = 1;
const AF_UNIX = 1;

const forbidden = {
  /** Claude Code's sandbox on Linux and Codex's newer ones (SANDBOXES.md, 5). */
  "socket(AF_UNIX)": ["socket", AF_UNIX],
  /** Codex's older ones, with all of the network. */
  "connect()": ["connect", undefined],
} as const satisfies Record<string, readonly [call: FilteredCall, firstArgument: number | undefined]>;

/** A file with a filter that answers EPERM to one kind of call. */
export function writeFilter(kind: keyof typeof forbidden): { readonly path: string; remove(): void } {
  const directory = scratch("filter");
  const path = `${directory.path}/filter`;
  const [call, firstArgument] = forbidden[kind];
  writeFileSync(path, makeFilter(call, EPERM, firstArgument));
  return { path, remove: () => directory.remove() };
}
