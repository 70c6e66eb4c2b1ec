// Where no new memory may be executed, Bun calls no function of libc: what needs none works, all else says why it does not.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { childrenOf } from "../processes.ts";
import { canDenyExecutableMemory as canDeny, denyExecutableMemory } from "../seccomp.ts";
import { isRoot, shell, startForeground } from "./daemons.ts";
import { createMachine } from "./machine.ts";

if (!canDeny) console.error("NOT TESTED: PR_SET_MDWE, which needs python3 and Linux 6.3");

const REASON =
  "keyhole: error: this needs new executable memory, which is forbidden or too little here (MemoryDenyWriteExecute, ulimit -v)\n";
const HINT = "keyhole: hint: ulimit -v unlimited; unset BUN_JSC_useJIT; in the unit: MemoryDenyWriteExecute=no\n";

/** Of the environment, under which python3 may be a wrapper that wants more. */
const under = { under: denyExecutableMemory, env: { PATH: process.env["PATH"] } };

test.skipIf(!canDeny)(
  "under MemoryDenyWriteExecute a warm export works, and so does what asks the daemon alone",
  async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    const first = await machine.keyhole("export -f credential-process -n dev");
    expect(await machine.keyhole("export -f credential-process -n dev", under)).toBe(first);
    for (const words of ["--version", "config list", "daemon status", "daemon list", "grant list"])
      await machine.keyhole(words, under);
    await machine.keyhole("daemon stop", under);
  },
);

test.skipIf(!canDeny).each(["exec -n dev -- true", "shell -n dev", "whoami -n other", "daemon restart"])(
  "there `%s` says what is forbidden",
  async (words) => {
    await using machine = await createMachine({ configs: ["dev", "other"] });
    await machine.keyhole("daemon add -n dev");
    const pid = machine.daemonPid();
    expect(await machine.run(words.split(" "), under)).toEqual({ stdout: "", stderr: REASON + HINT, exitCode: 8 });
    expect(machine.daemonPid()).toBe(pid);
  },
);

test.skipIf(!canDeny).each(["export -n dev", "daemon start", "--daemon"])(
  "there `%s`, which needs a daemon that is not there, says so",
  async (words) => {
    await using machine = await createMachine({ configs: ["dev"] });
    expect(await machine.run(words.split(" "), under)).toEqual({ stdout: "", stderr: REASON + HINT, exitCode: 8 });
  },
);

test.skipIf(!canDeny)("there a broker in the command's own process says so", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const result = await machine.run(["export", "-n", "dev"], { ...under, env: { ...under.env, KEYHOLE_DISABLE: "1" } });
  expect(result).toEqual({ stdout: "", stderr: REASON + HINT, exitCode: 8 });
});

test("as little address space as leaves no room for it is said so", async () => {
  await using machine = await createMachine();
  // In KiB. With less, Bun itself does not start.
  const { stderr, exitCode } = await machine.run(["daemon", "start"], { under: shell("ulimit -v 1000000") });
  expect([stderr, exitCode]).toEqual([REASON + HINT, 8]);
});

test("options of the engine reach neither a daemon nor its children, however it is started", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const env = { BUN_JSC_useJIT: "0" };
  await machine.keyhole("exec -n dev -- true", { env });
  const foreground = await startForeground(machine, { env }, ["--socket-path", `${machine.home}/other.sock`]);
  if (isRoot) {
    for (const pid of [machine.daemonPid()!, ...childrenOf(machine.daemonPid()!, "--sts-worker"), foreground.pid]) {
      expect(readFileSync(`/proc/${pid}/environ`, "latin1")).not.toContain("BUN_");
    }
  }
  foreground.kill("SIGTERM");
  expect(await foreground.exited).toBe(0);
});
