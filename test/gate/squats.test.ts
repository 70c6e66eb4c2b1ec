// Places that somebody has taken before keyhole comes: links where its directories go, and directories of others in
// memory, where leases go. Nothing is written there, and the error names the place.
import { expect } from "bun:test";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NOBODY } from "../e2e/daemons.ts";
import { addGrant, createHost, keysOf, runIn } from "../e2e/granthost.ts";
import { startHost } from "./host.ts";
import { testWith } from "./rigs/rigs.ts";

const test = testWith([]);
/** Of no user of the machine: the name of its directory in /dev/shm is nobody else's. */
const USER = 60_321;
const place = `/dev/shm/keyhole-${USER}`;

for (const name of ["g", "grants", "bin"])
  test(`a link at ${name} leads nowhere`, async () => {
    await using machine = await createHost();
    const victim = join(machine.home, "victim");
    mkdirSync(victim, { mode: 0o700 });
    symlinkSync(victim, join(machine.paths.home, name));
    const { exitCode, stdout, stderr } = await machine.run("grant add agent-a --config dev".split(" "));
    expect(stderr).toContain(join(machine.paths.home, name));
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(readdirSync(victim)).toEqual([]);
    // When it is gone, all is well.
    rmSync(join(machine.paths.home, name));
    keysOf(machine, await runIn(await addGrant(machine), machine));
  });

test("a link that takes a grant's place between two daemons leads nowhere", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  await machine.keyhole("daemon stop");
  const victim = join(machine.home, "victim");
  mkdirSync(victim, { mode: 0o700 });
  rmSync(directory, { recursive: true });
  symlinkSync(victim, directory);
  await machine.keyhole("daemon start");
  expect(machine.log().find(({ event }) => event === "grant not served")).toMatchObject({ grant: "agent-a" });
  expect(readdirSync(victim)).toEqual([]);
});

const plants: Readonly<Record<string, (victim: string) => void>> = {
  "a link": (victim) => symlinkSync(victim, place),
  "another user's directory": () => {
    mkdirSync(place, { mode: 0o700 });
    chownSync(place, NOBODY, NOBODY);
  },
  "a directory that everybody may write to": () => {
    mkdirSync(place);
    chownSync(place, USER, USER);
    chmodSync(place, 0o777);
  },
  "a file": () => writeFileSync(place, ""),
};

for (const [title, plant] of Object.entries(plants))
  test(`where leases go there is ${title}: nothing is written there`, async () => {
    const host = await startHost(USER);
    const victim = join(host.home, "victim");
    try {
      mkdirSync(victim, { mode: 0o700 });
      chownSync(victim, USER, USER);
      plant(victim);
      const { exitCode, stdout, stderr } = await host.run(
        "grant",
        "add",
        "agent-f",
        "--config",
        "dev",
        "--deliver",
        "file",
      );
      expect(stderr).toContain(place);
      expect([exitCode, stdout]).toEqual([1, ""]);
      expect(readdirSync(victim)).toEqual([]);
      if (lstatSync(place).isDirectory()) expect(readdirSync(place)).toEqual([]);
      rmSync(place, { recursive: true });
      const added = await host.addGrant("agent-f", "--deliver", "file");
      expect(added).toStartWith(`${place}/g/`);
    } finally {
      await host.stop();
      rmSync(place, { recursive: true, force: true });
    }
  });

/** XDG_RUNTIME_DIR of whoever starts the daemon: whether a lease goes there. */
const runtimes: Readonly<Record<string, readonly [parent: string, isGood: boolean, plant: (path: string) => void]>> = {
  "is private and in memory": ["/dev/shm", true, () => {}],
  "is another user's": ["/dev/shm", false, (path) => chownSync(path, NOBODY, NOBODY)],
  "everybody may write to": ["/dev/shm", false, (path) => chmodSync(path, 0o777)],
  "is on a disk": [tmpdir(), false, () => {}],
};

for (const [title, [parent, isGood, plant]] of Object.entries(runtimes))
  test(`an XDG_RUNTIME_DIR that ${title} gets ${isGood ? "the lease" : "no lease"}`, async () => {
    const runtime = mkdtempSync(`${parent}/keyhole-runtime-`);
    chownSync(runtime, USER, USER);
    plant(runtime);
    const host = await startHost(USER, { XDG_RUNTIME_DIR: runtime });
    try {
      const added = await host.addGrant("agent-f", "--deliver", "file");
      expect(added).toStartWith(isGood ? `${runtime}/keyhole/g/` : `${place}/g/`);
      expect(readdirSync(runtime)).toEqual(isGood ? ["keyhole"] : []);
    } finally {
      await host.stop();
      for (const path of [runtime, place]) rmSync(path, { recursive: true, force: true });
    }
  });
