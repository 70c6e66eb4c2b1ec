// The one thing that engines leave outside of their namespaces: empty groups of processes.
import { run, until } from "../../interop/run.ts";

/** Removes the groups below one that a rig has named. The last processes in them may just be ending. */
export async function removeGroups(name: string): Promise<void> {
  const named = ["(", "-path", `*/${name}`, "-o", "-path", `*/${name}/*`, ")"];
  const remove = ["find", "/sys/fs/cgroup", "-depth", "-type", "d", ...named, "-exec", "rmdir", "{}", "+"];
  await until(`the groups ${name} to be empty`, 10, async () => {
    const { exitCode } = await run(remove, { PATH: "/usr/bin:/bin" });
    return exitCode === 0;
  });
}
