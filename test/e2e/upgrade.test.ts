// A daemon whose executable is replaced or removed while it runs: nothing ends by it, and a person is told.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asOrdinary, canBeOthers, giveHomeToOrdinary, NOBODY, publicExecutable } from "./daemons.ts";
import { moveKeysToFile } from "./keyfile.ts";
import { childrenOf } from "../processes.ts";
import { createMachine, executable, type Machine, until } from "./machine.ts";

/** Seconds. Of those that may be handed out the shortest: they are renewed every two seconds (daemon/sessions/refresh.ts). */
const LIFETIME = 64;

let program: ReturnType<typeof publicExecutable>;
beforeAll(() => {
  program = publicExecutable();
});
afterAll(() => program.remove());

/** Another build at the path, put there as an update does it: what a child of this daemon says there is that it is none. */
function replace(path: string): void {
  writeFileSync(`${path}.new`, "#!/bin/sh\nexit 86\n", { mode: 0o755 });
  renameSync(`${path}.new`, path);
}

async function startHost(under: readonly string[]) {
  const machine = await createMachine({ minDuration: LIFETIME });
  const files = moveKeysToFile(machine);
  if (under.length > 0 && canBeOthers) {
    giveHomeToOrdinary(machine);
    for (const file of files) chownSync(file, NOBODY, NOBODY);
  }
  const client = { under, program: program.path };
  const keyhole = async (...words: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await machine.run(words, client);
    expect({ words, stderr, exitCode }).toMatchObject({ exitCode: 0 });
    return stdout.trimEnd();
  };
  for (const name of ["dev", "new"]) await keyhole(...machine.adding(name, `AssumeRole.DurationSeconds=${LIFETIME}`));
  return { machine, keyhole, client };
}

/** Asks until AssumeRole was called so often again; every answer has to be one. */
async function keepAsking(machine: Machine, ask: () => Promise<string>, calls: number): Promise<void> {
  const wanted = machine.sts.count("AssumeRole") + calls;
  while (machine.sts.count("AssumeRole") < wanted) expect(JSON.parse(await ask())).toHaveProperty("SessionToken");
}

test.each<[string, () => readonly string[]]>([
  ["root's", () => []],
  ["an ordinary user's", () => asOrdinary],
])("%s sessions and grants go on over a replaced and a removed executable", async (_, under) => {
  const path = join(program.path, "..", "updated");
  copyFileSync(executable, path);
  chmodSync(path, 0o755);
  const { machine, keyhole, client } = await startHost(under());
  await using _machine = machine;
  await machine.run(["daemon", "start"], { ...client, program: path });
  const EXPORT = ["export", "-f", "credential-process", "-n"];
  await keyhole(...EXPORT, "dev");
  const grant = await keyhole("grant", "add", "agent", "--config", "dev", "--mount-at", "host");
  const asClient = async (...words: string[]) => (await machine.run(words, client)).stdout;
  const asHolder = async () => (await machine.run([], { under: under(), program: `${grant}/keyhole` })).stdout;
  const pid = machine.daemonPid();
  expect(await asClient("daemon", "status")).not.toContain("daemon restart");

  replace(path);
  // It outlives its file, too, and is never idle here.
  for (const worker of childrenOf(pid!, "--sts-worker")) process.kill(worker, "SIGKILL");
  await keepAsking(machine, () => asClient(...EXPORT, "dev"), 2);
  await keepAsking(machine, asHolder, 2);
  expect(JSON.parse(await asClient(...EXPORT, "new"))).toHaveProperty("SessionToken");
  const another = await keyhole("grant", "add", "another", "--config", "dev", "--executable", "full");
  await until(() => readdirSync(another).includes("keyhole"));
  expect(statSync(`${another}/keyhole`).size).toBe(statSync(executable).size);
  expect(await asClient("daemon", "status")).toContain(`\nthis daemon is older than ${path}: keyhole daemon restart\n`);
  expect(await asClient("doctor")).toContain("fix: keyhole daemon restart");

  rmSync(path);
  await keepAsking(machine, () => asClient(...EXPORT, "dev"), 2);
  await keepAsking(machine, asHolder, 2);
  expect(machine.daemonPid()).toBe(pid);
});
