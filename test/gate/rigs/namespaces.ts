// Mount, network and process namespaces that a rig lives in: nothing of it reaches the machine's links, routes and
// mounts, and all of it ends with one process.
import type { Subprocess } from "bun";
import { readFileSync } from "node:fs";
import { until } from "../../interop/run.ts";

export interface Namespaces {
  /** Runs what follows inside. */
  readonly enter: readonly string[];
  stop(): Promise<void>;
}

/** Ends with this process, however this process ends. */
export const guard = ["setpriv", "--pdeathsig", "KILL"];

/** @param setup what a shell does inside first */
export async function openNamespaces(setup = ":"): Promise<Namespaces> {
  const unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const script = `set -e; ip link set lo up; ${setup}; echo ready; exec sleep infinity`;
  const child = Bun.spawn([...guard, ...unshare, "sh", "-c", script], { stdin: "ignore", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  if (value === undefined) throw new Error("no namespaces: see above");
  const pid = await childOf(child);
  return {
    enter: ["nsenter", "--target", `${pid}`, "--mount", "--net", "--pid", "--"],
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** The one child of a process that forks once, as `unshare --fork` and bwrap do. */
export async function childOf(parent: Subprocess): Promise<number> {
  let pid = 0;
  await until("a child process", 10, () => {
    pid = Number(readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, "utf8").trim());
    return pid > 0;
  });
  return pid;
}
