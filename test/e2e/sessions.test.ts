// Which session a request means, and whose source that has: seen from outside, as daemon/sessions/selection.ts has it.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startSts } from "../sts/server.ts";
import { moveKeysToFile } from "./keyfile.ts";
import { configText, createMachine, type Machine, roleArn, until } from "./machine.ts";

const assumed = (name: string) => `:assumed-role/${name}/`;
const sessionsOf = async (machine: Machine) => (await machine.keyhole("daemon list")).split("\n").filter(Boolean);
const memoryOf = ({ paths }: Machine) => {
  const path = join(paths.home, "run", "sessions.json");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};

/** A config without an endpoint, for requests that bring one. */
function writeOpenConfig({ paths }: Machine, name: string, directory = paths.configs): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, `${name}.yaml`), `AssumeRole:\n  RoleArn: ${roleArn(name)}\n`, { mode: 0o600 });
}

describe("a source that never gave credentials", () => {
  test("is not remembered: the next one's counts, and the name is in no list", async () => {
    await using machine = await createMachine();
    moveKeysToFile(machine);
    await machine.addConfig("x");
    const typo = await machine.run(["whoami", "-n", "x"], { env: { AWS_PROFILE: "typo" } });
    expect(typo).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("typo") });
    expect(await sessionsOf(machine)).toEqual([]);
    expect(await machine.keyhole("whoami -n x")).toContain(assumed("x"));
    expect(machine.sts.count("AssumeRole")).toBe(1);
    // One that works stays, whoever else asks.
    expect(await machine.keyhole("whoami -n x", { env: { AWS_PROFILE: "typo" } })).toContain(assumed("x"));
    const add = await machine.run(["daemon", "add", "-n", "x"], { env: { AWS_PROFILE: "typo" } });
    expect(add.exitCode).toBe(5);
    await machine.keyhole("daemon restart");
    expect(await machine.keyhole("whoami -n x")).toContain(assumed("x"));
  });

  test("of `daemon add` neither", async () => {
    await using machine = await createMachine();
    moveKeysToFile(machine);
    await machine.addConfig("x");
    expect((await machine.run(["daemon", "add", "-n", "x"], { env: { AWS_PROFILE: "typo" } })).exitCode).toBe(5);
    expect(await sessionsOf(machine)).toEqual([]);
    await machine.keyhole("daemon restart");
    expect(await machine.keyhole("export -n x")).toContain("access_key");
  });
});

describe("an STS endpoint of one shell", () => {
  test("is seen by no other, nor after a restart", async () => {
    await using machine = await createMachine();
    moveKeysToFile(machine);
    writeOpenConfig(machine, "dev");
    const other = startSts();
    try {
      const mine = { env: { AWS_ENDPOINT_URL_STS: machine.sts.url } };
      const { accessKeyId, secretAccessKey } = other.root;
      const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const theirs = { env: { AWS_ENDPOINT_URL: other.url, ...keys } };
      const [one, two] = await Promise.all([
        machine.keyhole("export -f json -n dev", mine),
        machine.keyhole("export -f json -n dev", theirs),
      ]);
      expect(one).not.toBe(two);
      expect(await machine.keyhole("export -f json -n dev", mine)).toBe(one);
      expect(await machine.keyhole("export -f json -n dev", theirs)).toBe(two);
      expect([machine.sts.count("AssumeRole"), other.count("AssumeRole")]).toEqual([1, 1]);
      // AWS itself is behind a proxy that is none.
      expect((await machine.run(["export", "-n", "dev"])).exitCode).toBe(7);
      const names = [`dev (${machine.sts.url})`, `dev (${other.url})`];
      expect((await sessionsOf(machine)).toSorted()).toEqual(names.toSorted());
      for (const command of ["daemon list -l", "daemon status"]) {
        const shown = await machine.keyhole(command);
        for (const name of names) expect(shown).toContain(name);
      }
      expect(memoryOf(machine)).not.toContain("http://127.0.0.1");
      await machine.keyhole("daemon restart");
      expect(await sessionsOf(machine)).toEqual([]);
      expect((await machine.run(["export", "-n", "dev"])).exitCode).toBe(7);
      await machine.keyhole("whoami -n dev", mine);
      expect([machine.sts.count("AssumeRole"), other.count("AssumeRole")]).toEqual([2, 1]);
    } finally {
      await other.stop();
    }
  });

  test("changes nothing where the config names one", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    for (const env of [{ AWS_ENDPOINT_URL_STS: "http://127.0.0.1:9" }, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" }])
      await machine.keyhole("export -n dev", { env });
    expect(await sessionsOf(machine)).toEqual(["dev"]);
    expect(machine.sts.count("AssumeRole")).toBe(1);
  });
});

async function twoDirectories() {
  const machine = await createMachine();
  moveKeysToFile(machine);
  const alt = join(machine.home, "alt");
  mkdirSync(alt, { mode: 0o700 });
  await machine.addConfig("dev");
  writeFileSync(join(alt, "dev.yaml"), configText(machine, "other"), { mode: 0o600 });
  return { machine, alt };
}

test.each([["daemon start"], ["daemon restart"], ["grant list"], ["whoami -n other"]])(
  "keys that a restart forgot come back with %s in a shell that has them",
  async (command) => {
    await using machine = await createMachine({ configs: ["dev", "other"] });
    await machine.keyhole("whoami -n dev");
    const directory = (await machine.keyhole("grant add agent --config dev --no-executable")).trim();
    expect(memoryOf(machine)).not.toContain(machine.sts.root.secretAccessKey);
    const bare = { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } };
    const grant = { env: { ...bare.env, KEYHOLE_SOCKET: `${directory}/sock` } };
    await machine.keyhole("daemon stop", bare);
    await machine.keyhole("daemon start", bare);
    expect((await machine.run(["export", "-n", "dev"], bare)).exitCode).toBe(5);
    const refused = await machine.run(["export"], grant);
    expect(refused.exitCode).toBe(5);
    expect(await machine.keyhole("grant show agent", bare)).toContain(machine.sts.root.accessKeyId);
    await machine.keyhole(command);
    expect(await machine.keyhole("whoami -n dev", bare)).toContain(assumed("dev"));
    expect(await machine.keyhole("export", grant)).toContain("access_key");
  },
);

describe("two directories of configs", () => {
  test.each([
    ["a daemon of neither", []],
    ["a daemon that was started for one of them", ["daemon", "start"]],
  ])("are two roles and two sessions, with %s", async (_, start) => {
    const { machine, alt } = await twoDirectories();
    await using _machine = machine;
    const env = { KEYHOLE_CONFIG_DIR: alt };
    if (start.length > 0) expect((await machine.run(start, { env })).exitCode).toBe(0);
    for (let round = 0; round < 2; round += 1) {
      expect(await machine.keyhole("whoami -n dev")).toContain(assumed("dev"));
      expect(await machine.keyhole("whoami -n dev", { env })).toContain(assumed("other"));
      expect(await machine.keyhole(`--config-dir ${alt} whoami -n dev`)).toContain(assumed("other"));
    }
    await machine.keyhole("daemon add -n dev", { env });
    expect((await sessionsOf(machine)).toSorted()).toEqual(["dev", `dev (${alt})`]);
    await machine.keyhole("daemon restart");
    expect((await sessionsOf(machine)).toSorted()).toEqual(["dev", `dev (${alt})`]);
    expect(await machine.keyhole("whoami -n dev", { env })).toContain(assumed("other"));
    await machine.keyhole("daemon remove -n dev", { env });
    expect(await sessionsOf(machine)).toEqual(["dev"]);
    await machine.keyhole("daemon add -n dev", { env });
    expect((await machine.run(["daemon", "remove", "-n", `dev (${alt})`])).exitCode).toBe(0);
    expect(await sessionsOf(machine)).toEqual(["dev"]);
    expect((await machine.run(["export", "-n", "dev", "--config-dir", join(machine.home, "none")])).exitCode).toBe(4);
  });

  test("are two grants, over a restart as well", async () => {
    const { machine, alt } = await twoDirectories();
    await using _machine = machine;
    const own = (await machine.keyhole("grant add own --config dev --no-executable")).trim();
    const other = (
      await machine.keyhole("grant add other --config dev --no-executable", { env: { KEYHOLE_CONFIG_DIR: alt } })
    ).trim();
    const roles = () => machine.sts.calls.map((call) => call.roleArn).filter(Boolean);
    expect(roles()).toEqual([roleArn("dev"), roleArn("other")]);
    await machine.keyhole("daemon restart");
    for (const directory of [own, other])
      await machine.keyhole("export", { env: { KEYHOLE_SOCKET: `${directory}/sock` } });
    await until(() => roles().length === 4);
    expect(roles().slice(2)).toEqual([roleArn("dev"), roleArn("other")]);
  });

  test("without a daemon as well", async () => {
    const { machine, alt } = await twoDirectories();
    await using _machine = machine;
    const env = { KEYHOLE_CONFIG_DIR: alt, KEYHOLE_DISABLE: "1" };
    expect(await machine.keyhole("whoami -n dev", { env })).toContain(assumed("other"));
  });
});
