// The process that holds the AWS SDK, from outside: whose it is, when it comes and when it goes.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { childrenOf } from "../processes.ts";
import { createMachine, isAlive, type Machine, until } from "./machine.ts";

const isLinux = process.platform === "linux";
const workersOf = (daemon: number): number[] => childrenOf(daemon, "--sts-worker");

async function startWith(...names: string[]): Promise<{ machine: Machine; daemon: number }> {
  const machine = await createMachine();
  for (const name of names) await machine.addConfig(name);
  await machine.keyhole("daemon start");
  return { machine, daemon: machine.daemonPid()! };
}

const vend = (machine: Machine, name: string): Promise<string> =>
  machine.keyhole(`export -f credential-process -n ${name}`);

test.skipIf(!isLinux)(
  "comes with the first call, serves all sessions, and goes when there is nothing to do",
  async () => {
    const { machine, daemon } = await startWith("one", "two");
    await using _ = machine;
    expect(workersOf(daemon)).toEqual([]);
    await vend(machine, "one");
    const workers = workersOf(daemon);
    expect(workers).toHaveLength(1);
    await vend(machine, "two");
    await machine.keyhole("whoami -n two");
    expect(workersOf(daemon)).toEqual(workers);
    await until(() => !isAlive(workers[0]!));
    expect(workersOf(daemon)).toEqual([]);
  },
);

test.skipIf(!isLinux)("killed in the middle of a call, costs that call and no other", async () => {
  const { machine, daemon } = await startWith("one");
  await using _ = machine;
  machine.sts.faults.add({ hang: true, times: 1 });
  const hanging = machine.run(["export", "-n", "one"]);
  await machine.sts.until(() => machine.sts.count() === 1);
  process.kill(workersOf(daemon)[0]!, "SIGKILL");
  const { exitCode, stderr, stdout } = await hanging;
  expect({ exitCode, stdout }).toEqual({ exitCode: 7, stdout: "" });
  expect(stderr).toStartWith("keyhole: error: the process that asks STS ended before it had an answer\n");
  // What failed is asked again after a while, and by others not before.
  await until(async () => (await machine.run(["export", "-n", "one"])).exitCode === 0);
});

test.skipIf(!isLinux)("does not outlive a daemon that was killed in the middle of a call", async () => {
  const { machine, daemon } = await startWith("one");
  await using _ = machine;
  machine.sts.faults.add({ hang: true });
  const hanging = machine.run(["export", "-n", "one"], { env: { KEYHOLE_AUTOSTART: "0" } });
  await machine.sts.until(() => machine.sts.count() === 1);
  const [worker] = workersOf(daemon);
  process.kill(daemon, "SIGKILL");
  await until(() => !isAlive(worker!));
  expect((await hanging).exitCode).toBe(3);
});

test.skipIf(!isLinux)("ends with a daemon that is told to", async () => {
  const { machine, daemon } = await startWith("one");
  await using _ = machine;
  await vend(machine, "one");
  const [worker] = workersOf(daemon);
  await machine.keyhole("daemon stop");
  await until(() => !isAlive(worker!));
});

test.skipIf(!isLinux)("has none of the environment and the words that a secret could be in", async () => {
  const { machine, daemon } = await startWith("one");
  await using _ = machine;
  await vend(machine, "one");
  const [worker] = workersOf(daemon);
  expect(readFileSync(`/proc/${worker}/cmdline`, "latin1").split("\0").slice(1, 2)).toEqual(["--sts-worker"]);
  const environ = (): string => readFileSync(`/proc/${worker}/environ`, "latin1");
  // A process that forbids inspection is root's alone to look at.
  if (process.getuid?.() === 0) expect(environ()).not.toContain("AWS_");
  else expect(environ).toThrow("EACCES");
});

test.skipIf(!isLinux)("is the reason why a daemon with 64 sessions has less than 24 MiB of its own", async () => {
  const names = Array.from({ length: 64 }, (_, index) => `role${index}`);
  const { machine, daemon } = await startWith(...names);
  await using _ = machine;
  const waiting = names.values();
  const client = async (): Promise<void> => {
    for (const name of waiting) await vend(machine, name);
  };
  await Promise.all(Array.from({ length: 4 }, client));
  // Pages of the executable are shared with every keyhole, and how many of them count as this process's depends on how the
  // file lies in the page cache: `bun run bench` has the sum.
  const own = Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${daemon}/status`, "latin1"))![1]);
  expect(own / 1024).toBeLessThan(24);
});

test("the roles of a daemon's children are nothing for a person, and say nothing", async () => {
  await using machine = await createMachine();
  for (const words of [["--sts-worker"], ["--resolve-source"], ["--sts-worker", "0.0.0+0"]]) {
    const { stdout, stderr, exitCode } = await machine.run(words, { stdin: "garbage\n" });
    expect([words, stdout, stderr, exitCode]).toEqual([words, "", "", 86]);
  }
});
