// A grant's directory in a sandbox of bubblewrap's that holds nothing else.
import type { Machine, Result } from "./machine.ts";

const bwrap = Bun.which("bwrap");
/** Whether sandboxes can be made here. */
export const isLinux = process.platform === "linux" && bwrap !== null;

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
    ...(filter === undefined ? [] : ["--seccomp", "9"]),
    "--",
  ];
  const script = `exec ${bwrap} "$@"${filter === undefined ? "" : ` 9<'${filter}'`}`;
  const [program = "", ...rest] = words;
  return machine.run(rest, { under: [...under, "sh", "-c", script, "sh", ...sandbox], program });
}
