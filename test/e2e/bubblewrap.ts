// A grant's directory in a sandbox of bubblewrap's that holds nothing else.
import { underFilter } from "../seccomp.ts";
import type { Machine, Result } from "./machine.ts";

/** Whether sandboxes can be made here. */
export const hasBubblewrap =
  Bun.which("bwrap") !== null &&
  Bun.spawnSync(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]).exitCode === 0;
if (!hasBubblewrap) console.warn("SKIPPED: bubblewrap is not there, or may make no sandbox");

interface SandboxOptions {
  readonly options?: readonly string[];
  readonly filter?: string;
  readonly under?: readonly string[];
}

/**
 * Runs words in a root that holds a grant's directory and nothing else, with an empty environment.
 *
 * @param options.options bwrap's own, behind those that make the root
 * @param options.filter the path of a seccomp filter, which gets into bwrap's descriptors
 * @param options.under runs bwrap: in other namespaces
 */
export function runSandboxed(
  machine: Machine,
  directory: string,
  words: readonly string[],
  { options = [], filter, under = [] }: SandboxOptions = {},
): Promise<Result> {
  const sandbox = [
    "--unshare-all",
    "--die-with-parent",
    "--clearenv",
    "--ro-bind",
    directory,
    "/run/keyhole",
    ...options,
    "--",
  ];
  const script = `exec ${underFilter([Bun.which("bwrap")!], filter)}`;
  const [program = "", ...rest] = words;
  return machine.run(rest, { under: [...under, "sh", "-c", script, "sh", ...sandbox], program });
}
