// Places that somebody has taken before keyhole comes: links where its directories go, and directories of others in
// memory, where leases go. Nothing is written there, and the error names the place.
import { expect } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { NOBODY } from "../e2e/daemons.ts";
import { addGrant, createHost, keysOf, runIn } from "../e2e/granthost.ts";
import { startHost } from "./host.ts";
import { makeMemory, makeUsualMemory } from "../memory.ts";
import { testWith } from "./rigs/rigs.ts";

const test = testWith([]);
/** Of no user of the machine: the names of its directories in /dev/shm and /run/user are nobody else's. */
const USER = 60_321;
/** Where leases were kept, which everybody may write beside. */
const place = `/dev/shm/keyhole-${USER}`;

for (const name of ["g", "grants"])
  test(`a link at ${name} leads nowhere`, async () => {
    await using machine = await createHost();
    const victim = join(machine.home, "victim");
    fs.mkdirSync(victim, { mode: 0o700 });
    fs.symlinkSync(victim, join(machine.paths.home, name));
    const { exitCode, stdout, stderr } = await machine.run("grant add agent-a --config dev".split(" "));
    expect(stderr).toContain(join(machine.paths.home, name));
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(fs.readdirSync(victim)).toEqual([]);
    // When it is gone, all is well.
    fs.rmSync(join(machine.paths.home, name));
    keysOf(machine, await runIn(await addGrant(machine), machine));
  });

test("a link at bin leads nowhere: the daemon runs without a copy of its own, and says so", async () => {
  const host = await startHost(USER);
  try {
    await host.run("daemon", "stop");
    const victim = join(host.home, "victim");
    const bin = join(host.home, ".keyhole", "bin");
    fs.mkdirSync(victim, { mode: 0o700 });
    fs.writeFileSync(join(victim, "keyhole-0.0.1"), "");
    fs.rmSync(bin, { recursive: true });
    fs.symlinkSync(victim, bin);
    await host.run("daemon", "start");
    const { stdout } = await host.run("daemon", "status");
    expect(stdout).toContain(`${bin} is a link or a file, not a directory`);
    expect(fs.readdirSync(victim)).toEqual(["keyhole-0.0.1"]);
  } finally {
    await host.stop();
  }
});

test("a link that takes a grant's place between two daemons leads nowhere", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  await machine.keyhole("daemon stop");
  const victim = join(machine.home, "victim");
  fs.mkdirSync(victim, { mode: 0o700 });
  fs.rmSync(directory, { recursive: true });
  fs.symlinkSync(victim, directory);
  await machine.keyhole("daemon start");
  expect(machine.log().find(({ event }) => event === "grant not served")).toMatchObject({ grant: "agent-a" });
  expect(fs.readdirSync(victim)).toEqual([]);
});

const plants: Readonly<Record<string, (victim: string) => void>> = {
  "a link": (victim) => fs.symlinkSync(victim, place),
  "another user's directory": () => {
    fs.mkdirSync(place, { mode: 0o700 });
    fs.chownSync(place, NOBODY, NOBODY);
  },
  "a directory that everybody may write to": () => {
    fs.mkdirSync(place);
    fs.chownSync(place, USER, USER);
    fs.chmodSync(place, 0o777);
  },
  "a file": () => fs.writeFileSync(place, ""),
};

for (const [title, plant] of Object.entries(plants))
  test(`where leases went before there is ${title}: it is left alone, and denies nobody a lease`, async () => {
    const host = await startHost(USER);
    const usual = makeUsualMemory(USER)!;
    const victim = join(host.home, "victim");
    try {
      fs.mkdirSync(victim, { mode: 0o700 });
      fs.chownSync(victim, USER, USER);
      plant(victim);
      const added = await host.addGrant("agent-f", "--deliver", "file");
      expect(added).toStartWith(`${usual.path}/keyhole/g/`);
      expect(fs.readdirSync(victim)).toEqual([]);
      if (fs.lstatSync(place).isDirectory()) expect(fs.readdirSync(place)).toEqual([]);
    } finally {
      await host.stop();
      fs.rmSync(place, { recursive: true, force: true });
      usual.remove();
    }
  });

test("where no memory outside of /dev is the user's own no lease is made, and a command makes a place for one", async () => {
  const runtime = fs.mkdtempSync("/dev/shm/keyhole-runtime-");
  fs.chownSync(runtime, USER, USER);
  const host = await startHost(USER, { XDG_RUNTIME_DIR: runtime });
  try {
    for (const terms of [[], ["--mount-at", "host"]]) {
      const words = ["grant", "add", "agent-f", "--config", "dev", "--deliver", "file", ...terms];
      const { exitCode, stdout, stderr } = await host.run(...words);
      expect([exitCode, stdout]).toEqual([1, ""]);
      expect(stderr).toContain("outside of /dev");
      expect(stderr).toContain(`sudo mount -t tmpfs -o uid=${USER},mode=0700 tmpfs /run/user/${USER}`);
    }
    expect(fs.readdirSync(runtime)).toEqual([]);
    const { stdout } = await host.run("doctor");
    expect(stdout).toMatch(/^warning +lease-directory +grants with --deliver file are refused/m);
    const usual = makeUsualMemory(USER)!;
    try {
      expect(await host.addGrant("agent-f", "--deliver", "file")).toStartWith(`${usual.path}/keyhole/g/`);
      expect((await host.run("doctor")).stdout).toMatch(/^ok +lease-directory/m);
    } finally {
      usual.remove();
    }
  } finally {
    await host.stop();
    fs.rmSync(runtime, { recursive: true });
  }
});

/** XDG_RUNTIME_DIR of whoever starts the daemon, what is done to it, and whether a lease goes there. */
const runtimes: Readonly<Record<string, readonly [isGood: boolean, plant: (path: string) => void]>> = {
  "is private and in memory": [true, () => {}],
  "is another user's": [false, (path) => fs.chownSync(path, NOBODY, NOBODY)],
  "everybody may write to": [false, (path) => fs.chmodSync(path, 0o777)],
};

for (const [title, [isGood, plant]] of Object.entries(runtimes))
  test(`an XDG_RUNTIME_DIR that ${title} gets ${isGood ? "the lease" : "no lease"}`, async () => {
    const runtime = makeMemory(USER)!;
    const usual = makeUsualMemory(USER)!;
    plant(runtime.path);
    const host = await startHost(USER, { XDG_RUNTIME_DIR: runtime.path });
    try {
      const added = await host.addGrant("agent-f", "--deliver", "file");
      expect(added).toStartWith(`${isGood ? runtime.path : usual.path}/keyhole/g/`);
      expect(fs.readdirSync(runtime.path)).toEqual(isGood ? ["keyhole"] : []);
    } finally {
      await host.stop();
      runtime.remove();
      usual.remove();
    }
  });
