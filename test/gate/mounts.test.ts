// A sandbox that was given its grant's directory writable puts anything anywhere in it, at any moment: the daemon writes,
// removes and changes nothing elsewhere, waits for nothing, and serves the others.
import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { request } from "../e2e/attacker.ts";
import { keysOf, runIn } from "../e2e/granthost.ts";
import { executable, until } from "../e2e/machine.ts";
import { must, run } from "../interop/run.ts";
import { expectForbidden } from "./forbidden.ts";
import { type Attack, attackBy, holderRigs, PROGRAMS, PYTHON, startAttack, startAttackBy } from "./holder.ts";
import { docker } from "./rigs/docker.ts";
import { isReady, rigs, testWith } from "./rigs/rigs.ts";
import { makeRoots } from "./rigs/roots.ts";
import { createTenants, type Tenants } from "./tenants.ts";

const test = testWith(holderRigs);
const testDocker = testWith([rigs.docker, rigs.debian]);

const roots = makeRoots(executable);
const engine = docker(roots, { images: ["debian"] });
beforeAll(async () => {
  if (isReady(rigs.docker, rigs.debian)) await engine.open?.();
}, 60_000);
afterAll(async () => {
  await engine.close?.();
  roots.remove();
}, 60_000);

/** Root in a container, with Docker's default capabilities and a grant's directory as it should not be mounted. */
function inDocker(directory: string, program: readonly string[]): string[] {
  const mounts = [`${directory}:/run/keyhole`, `${PROGRAMS}:/programs:ro`].flatMap((mount) => ["--volume", mount]);
  return [...engine.client, "run", "--rm", "-i", "--network=none", ...mounts, "keyhole-gate/debian", ...program];
}

/** Files and directories that a link can lead to, and a look at all of them. */
function makeVictims({ machine, b }: Tenants) {
  const directory = join(machine.home, "precious");
  mkdirSync(join(directory, "inner"), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, "file"), "precious", { mode: 0o640 });
  const files = [
    join(directory, "file"),
    join(machine.paths.configs, "prod.yaml"),
    join(machine.paths.home, "grants", "agent-b.yaml"),
    join(b, "aws-config"),
    join(b, "credentials"),
  ];
  const directories = [directory, join(directory, "inner"), machine.paths.configs, b];
  const look = () => [
    ...files.map((path) => [path, statSync(path).mode, statSync(path).ino, readFileSync(path, "utf8")]),
    ...directories.map((path) => [path, statSync(path).mode, readdirSync(path).toSorted()]),
  ];
  return { paths: [...files, ...directories, join(directory, "missing"), machine.paths.socket], look };
}

const ROUNDS = 12;

/** Everything that makes the daemon look into the directory, again and again. */
async function work({ machine, daemon, b }: Tenants): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    daemon.kill("SIGHUP");
    // A lease of new credentials.
    await machine.keyhole(`config update -n dev --set STS.region_name=eu-west-${round}`);
    keysOf(machine, await runIn(b, machine));
    expect(JSON.parse(await machine.keyhole("grant list --json"))).toHaveLength(2);
  }
}

async function expectContained(
  tenants: Tenants,
  start: (victims: readonly string[]) => Promise<Attack>,
): Promise<void> {
  const { machine, daemon, a } = tenants;
  const victims = makeVictims(tenants);
  const before = victims.look();
  await using attacker = await start(victims.paths);
  await work(tenants);
  const { rounds } = (await attacker.end()) as { rounds: number };
  expect(rounds).toBeGreaterThan(100);
  expect(victims.look()).toEqual(before);
  expect(daemon.exitCode).toBeNull();
  expect(machine.log().filter(({ stack }) => stack !== undefined)).toEqual([]);
  // Whatever is left there, the next start puts right what it can, and removing removes.
  await machine.keyhole("daemon restart");
  await machine.keyhole("grant remove -y agent-a");
  expect(existsSync(a)).toBe(false);
  expect(victims.look()).toEqual(before);
}

for (const deliver of ["socket", "file"])
  test(`links, FIFOs, sockets and directories that are swapped in a loop lead nowhere: a grant over a ${deliver}`, async () => {
    await using tenants = await createTenants(`--deliver ${deliver}`);
    await expectContained(tenants, (victims) =>
      startAttack(tenants.a, "swap", { seed: 1, victims }, { writable: true }),
    );
  });

testDocker("the same by root in Docker, who makes devices too", async () => {
  await using tenants = await createTenants();
  await expectContained(tenants, (victims) =>
    startAttackBy(inDocker(tenants.a, [...PYTHON, "swap"]), { seed: 2, victims }),
  );
});

testDocker("root in Docker, with its capabilities and a directory to write to, gets the one refusal", async () => {
  await using tenants = await createTenants();
  const environment = [{ name: "AWS_PROFILE", value: "admin" }];
  const requests = [
    request("Stop", {}),
    request("List", {}),
    request("GrantRemove", { name: "agent-b" }),
    ...["admin", "prod", "nothing"].flatMap((config) => [
      request("Vend", { config }),
      request("Add", { config, environment, verify: true, renew: true }),
    ]),
  ];
  await expectForbidden(tenants.a, requests, inDocker);
  const canaries = tenants.canaries();
  const searched = await attackBy<{ found: string[] }>(inDocker(tenants.a, [...PYTHON, "search"]), { canaries });
  expect(searched.found).toEqual(["/tmp/planted"]);
  await tenants.expectUnharmed();
});

const bytesOf = async (path: string) => Buffer.from(await Bun.file(path).bytes());

testDocker(
  "an executable that root in Docker writes to is that sandbox's alone, and is put right at the next start",
  async () => {
    await using tenants = await createTenants();
    const { machine, a, b } = tenants;
    const [size, good] = [statSync(join(a, "keyhole")).size, await bytesOf(join(b, "keyhole"))];
    const spoil = "chmod 777 /run/keyhole/keyhole; echo spoilt >/run/keyhole/keyhole; chmod 4755 /run/keyhole/keyhole";
    await must(inDocker(a, ["/bin/sh", "-c", spoil]), { PATH: "/usr/bin:/bin" });
    expect(readFileSync(join(a, "keyhole"), "utf8")).toBe("spoilt\n");
    expect(good.equals(await bytesOf(join(b, "keyhole")))).toBe(true);
    await machine.keyhole("daemon restart");
    await until(() => statSync(join(a, "keyhole")).size === size);
    expect(statSync(join(a, "keyhole")).mode & 0o7777).toBe(0o555);
    keysOf(machine, await runIn(a, machine));
  },
);

testDocker(
  "a directory that root in Docker gave to another user is served no more, and says so; the others are",
  async () => {
    await using tenants = await createTenants();
    const { machine, a, b } = tenants;
    await must(inDocker(a, ["/bin/sh", "-c", "chown 12345:12345 /run/keyhole && chmod 777 /run/keyhole"]), {
      PATH: "/usr/bin:/bin",
    });
    await machine.keyhole("daemon restart");
    keysOf(machine, await runIn(b, machine));
    const unserved = machine.log().filter(({ event }) => event === "grant not served");
    expect(unserved).toMatchObject([{ grant: "agent-a", error: expect.stringContaining("belongs to another user") }]);
    const asked = await run(inDocker(a, [...PYTHON, "ask"]), { PATH: "/usr/bin:/bin" });
    expect(asked.stdout).not.toContain("ASIA");
  },
);
