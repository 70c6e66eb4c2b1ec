// Machines that lack what every machine has: /proc, room on the disk.
import { mkdirSync } from "node:fs";
import { expect, test } from "bun:test";
import { isRoot } from "./daemons.ts";
import { resultOf } from "../processes.ts";
import { createMachine, executable } from "./machine.ts";

/**
 * Runs a script where mounts and processes are its own, and end with it; `$K` is keyhole. Its home is not the machine's,
 * because the pid in the lock means another process outside.
 */
async function runApart(machine: Awaited<ReturnType<typeof createMachine>>, script: string) {
  const disk = `${machine.home}/disk`;
  mkdirSync(disk);
  const child = Bun.spawn(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script], {
    env: { ...machine.environment, K: executable, DISK: disk, KEYHOLE_HOME: `${disk}/keyhole` },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return resultOf(child);
}

test.skipIf(!isRoot)(
  "without /proc a daemon says who it is, serves and ends (needs root)",
  async () => {
    await using machine = await createMachine();
    const { stdout, stderr, exitCode } = await runApart(
      machine,
      `umount -l /proc; $K ${machine.adding("one").join(" ")} 2>&1
    $K daemon start 2>&1; $K daemon add -n one 2>&1; $K export -n one >/dev/null; $K exec -n one -- true
    $K daemon status | head -1; $K daemon restart 2>&1; $K daemon stop 2>&1`,
    );
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toContain("daemon is running\n");
    expect(stdout).toContain("daemon stopped");
  },
  30_000,
);

test.skipIf(!isRoot)(
  "on a full disk a daemon starts, serves and ends (needs root)",
  async () => {
    await using machine = await createMachine();
    const { stdout, stderr, exitCode } = await runApart(
      machine,
      `mount -t tmpfs -o size=64k none $DISK; $K ${machine.adding("one").join(" ")} 2>&1
    head -c 100k /dev/zero >$DISK/fill 2>/dev/null || :
    $K daemon start 2>&1; $K export -n one >/dev/null; $K daemon stop 2>&1`,
    );
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toContain("daemon stopped");
  },
  30_000,
);
