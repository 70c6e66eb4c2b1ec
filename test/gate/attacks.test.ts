// The fourteen attacks that elhaz fell to, by a process in a sandbox that holds one grant while others
// live: the same refusal every time, and no effect on anyone.
import { expect } from "bun:test";
import { chmodSync, existsSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDescriptors, peakMemory, request } from "../e2e/attacker.ts";
import { asNobody, shell, startForeground } from "../e2e/daemons.ts";
import { addGrant, createHost, keysOf, runIn } from "../e2e/granthost.ts";
import { type Result, roleArn, until } from "../e2e/machine.ts";
import { expectForbidden, hex } from "./forbidden.ts";
import { attack, holderRigs, percentile, startAttack } from "./holder.ts";
import { testWith } from "./rigs/rigs.ts";
import { createTenants, type Tenants } from "./tenants.ts";

const test = testWith(holderRigs);
/** Runs the mounted executable inside, with each of these lines. */
function keyhole({ a }: Tenants, ...lines: readonly string[]): Promise<Result[]> {
  const commands = lines.map((line) => ["/run/keyhole/keyhole", ...line.split(" ")]);
  return attack(a, "run", { commands });
}

const environment = [{ name: "AWS_PROFILE", value: "admin" }];
const add = (config: string) => request("Add", { config, environment, verify: true, renew: true });

test("attack 1: other identities are neither listed nor added nor given", async () => {
  await using tenants = await createTenants();
  await expectForbidden(tenants.a, [
    request("List", {}),
    request("GrantsList", {}),
    request("Status", {}),
    ...["prod", "admin", "dev", "agent-b"].flatMap((config) => [
      add(config),
      request("Vend", { config }),
      request("Identity", { config }),
    ]),
  ]);
  const commands = [
    "daemon list",
    "daemon add -n admin",
    "config list",
    "grant list",
    "export -n prod",
    "whoami -n admin",
  ];
  for (const result of await keyhole(tenants, ...commands)) expect(result).toMatchObject({ exitCode: 9, stdout: "" });
  await tenants.expectUnharmed();
});

test("attack 2: no session and no grant is removed", async () => {
  await using tenants = await createTenants();
  const names = ["prod", "admin", "agent-b", "agent-a"];
  await expectForbidden(
    tenants.a,
    names.flatMap((name) => [
      request("Remove", { config: name }),
      request("GrantRevoke", { name }),
      request("GrantRemove", { name }),
    ]),
  );
  const commands = [
    "daemon remove -n prod",
    "grant revoke agent-b",
    "grant remove -y agent-b",
    "config remove -y -n prod",
  ];
  for (const result of await keyhole(tenants, ...commands)) expect(result).toMatchObject({ exitCode: 9, stdout: "" });
  await tenants.expectUnharmed();
});

test("attack 3: the daemon is not stopped", async () => {
  await using tenants = await createTenants();
  await expectForbidden(tenants.a, [request("Stop", {}), Buffer.from('{"action": "kill"}\n')]);
  const commands = ["daemon stop", "daemon kill", "daemon restart", "daemon start"];
  for (const result of await keyhole(tenants, ...commands)) expect(result).toMatchObject({ exitCode: 9, stdout: "" });
  await tenants.expectUnharmed();
});

test("attacks 4 and 5: 1,100 connections of one byte and 400 MiB without an end lock nobody out", async () => {
  await using tenants = await createTenants();
  const { daemon, a, b, machine } = tenants;
  const descriptors = openDescriptors(daemon.pid);
  await using siege = await startAttack(a, "crowd", { connections: 1100, first: "7b", endless: 400 });
  keysOf(machine, await runIn(b, machine));
  keysOf(machine, await runIn(a, machine));
  expect(await siege.end()).toMatchObject({ connections: 1100 });
  await tenants.expectUnharmed();
  expect(peakMemory(daemon.pid)).toBeLessThan(96);
  await until(() => openDescriptors(daemon.pid) <= descriptors);
});

test("attack 6: while STS hangs for one grant, another is answered as ever", async () => {
  await using tenants = await createTenants();
  const { machine, a, b } = tenants;
  machine.sts.faults.add({ action: "AssumeRole", roleArn: roleArn("dev"), hang: true });
  // A config that changed is asked of STS again.
  await machine.keyhole("config update -n dev --set AssumeRole.DurationSeconds=1800");
  const pending = () => machine.sts.count("AssumeRole", { roleArn: roleArn("dev"), outcome: "pending" });
  await using waiting = await startAttack(a, "wait", { askers: 20 });
  await machine.sts.until(() => pending() === 1);
  const times = await attack<number[]>(b, "time_fetches", { count: 200 });
  expect(percentile(times, 0.99)).toBeLessThan(50);
  expect(pending()).toBe(1);
  machine.sts.faults.clear();
  expect(await waiting.end()).toEqual({ answers: 20 });
});

/** What elhaz wrote to its log as it came, and its JSON, and more of the kind. */
const hostile = [
  'x\n{"event":"forged"}',
  "\x1b]0;title\x07",
  "\x9b2J",
  "\u202e",
  "../../admin",
  "__proto__",
  "$(id)",
  "dev\0",
];

test("attacks 7 and 8: nothing that was sent is written down, and a flood washes no evidence away", async () => {
  await using tenants = await createTenants();
  const { machine } = tenants;
  const requests = hostile.flatMap((config) => [
    request("Vend", { config }),
    add(config),
    request("GrantRevoke", { name: config }),
    request("Hello", { version: config }),
    Buffer.from(JSON.stringify({ action: "credentials", config: [config] })),
  ]);
  await expectForbidden(tenants.a, requests);
  await attack(tenants.a, "send_random", { seed: 7, count: 20_000, requests: requests.map(hex) });
  await tenants.expectUnharmed();
  expect(existsSync(`${machine.paths.log}.1`)).toBe(false);
  const log = readFileSync(machine.paths.log, "utf8");
  const audit = readFileSync(join(machine.paths.home, "logs", "audit.jsonl"), "utf8");
  for (const text of [log, audit]) {
    expect(text).not.toMatch(/forged|title|__proto__|\$\(id\)|[^\n\x20-\x7e]/);
    expect(text.length).toBeLessThan(256 * 1024);
  }
  expect(machine.log().filter((line) => "stack" in line || line["level"] === "error")).toEqual([]);
  const lives = (await tenants.audit()).filter(({ kind }) => kind === "grant");
  expect(lives.map(({ grant }) => grant as string)).toEqual(["agent-b", "agent-a"]);
});

test("attack 9: what is there and what is not is answered alike, and no program runs on the host", async () => {
  await using tenants = await createTenants();
  const { machine } = tenants;
  const ran = join(machine.home, "ran");
  writeFileSync(
    join(machine.home, ".aws", "config"),
    `[profile tempting]\ncredential_process = /usr/bin/touch ${ran}\n`,
  );
  await machine.addConfig("tempting", "Session.profile_name=tempting");
  const names = ["tempting", "prod", "agent-b", "nothing", "/etc/passwd", ""];
  await expectForbidden(tenants.a, [...names.map(add), ...names.map((config) => request("Vend", { config }))]);
  expect(existsSync(ran)).toBe(false);
  // The same config does run it for its owner.
  await machine.run(["export", "-n", "tempting"]);
  expect(existsSync(ran)).toBe(true);
});

test("attack 10: a sandbox that runs on is served again after the daemon was restarted", async () => {
  await using tenants = await createTenants();
  const { machine, daemon, a } = tenants;
  const renewals = () => machine.sts.count("AssumeRole", { roleArn: roleArn("dev"), outcome: "ok" });
  const before = renewals();
  await using poller = await startAttack(a, "poll");
  daemon.kill("SIGTERM");
  await daemon.exited;
  await machine.keyhole("daemon start");
  await machine.sts.until(() => renewals() > before);
  expect(await poller.end()).toMatchObject({ failures: [] });
});

test("attack 11: a second daemon that takes the socket's place in the sandbox ends, and the first one is there again", async () => {
  await using tenants = await createTenants();
  const { machine, daemon, a } = tenants;
  const { line } = await attack<{ line: string }>(a, "squat", null, { writable: true });
  expect(line).toBe("keyhole: ready at /run/keyhole/sock\n");
  // It looks every 15 s, and when it is told to.
  daemon.kill("SIGHUP");
  await until(() => existsSync(join(a, "sock")));
  keysOf(machine, await runIn(a, machine));
  await tenants.expectUnharmed();
});

const modeOf = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

test("attacks 12 and 13: with umask 0 everything of a grant is as it was made to be, and another user is kept out", async () => {
  await using machine = await createHost();
  await startForeground(machine, { under: shell("umask 0") });
  const directory = await addGrant(machine);
  keysOf(machine, await runIn(directory, machine));
  const { home } = machine.paths;
  const modes = Object.fromEntries(
    ["", "g", "grants", "grants/agent-a.yaml", "grants/.lock", "logs/audit.jsonl", "logs/daemon.log"].map((path) => [
      path,
      modeOf(join(home, path)),
    ]),
  );
  expect(modes).toEqual({
    "": "700",
    g: "311",
    grants: "700",
    "grants/agent-a.yaml": "600",
    "grants/.lock": "600",
    "logs/audit.jsonl": "600",
    "logs/daemon.log": "600",
  });
  const names = ["", "sock", "aws-config", "credentials", "env", "keyhole"];
  expect(names.map((name) => modeOf(join(directory, name)))).toEqual(["755", "666", "444", "444", "444", "555"]);
  // Whose way is barred by the home's mode, and then by keyhole's own.
  for (const mode of [0o700, 0o755]) {
    chmodSync(machine.home, mode);
    const look = Bun.spawnSync([...asNobody, "cat", join(directory, "aws-config")], { cwd: "/" });
    expect([look.exitCode, look.stderr.toString()]).toEqual([1, expect.stringContaining("Permission denied")]);
  }
});

test("attack 14: the audit says who got which key of which grant, and what was refused", async () => {
  await using tenants = await createTenants();
  const { machine, a } = tenants;
  const { key } = await attack<{ key: string }>(a, "ask");
  await expectForbidden(tenants.a, [request("Stop", {})]);
  await until(async () => (await tenants.audit()).some(({ kind }) => kind === "junk"));
  const lines = (await tenants.audit()).filter(({ grant }) => grant === "agent-a");
  expect(lines.find(({ kind }) => kind === "vend")).toMatchObject({
    transport: "socket",
    outcome: "ok",
    config: "dev",
    roleArn: roleArn("dev"),
    accessKeyId: key,
    peer: { uid: 0, gid: 0, executable: expect.stringMatching(/\/python3/) },
  });
  const story = JSON.parse(await machine.keyhole(`audit who ${key} --json`)) as Record<string, unknown>;
  expect(machine.sts.issued.get(key)!.arn).toEndWith(`/${story["sessionName"] as string}`);
  expect(lines.find(({ kind }) => kind === "junk")).toMatchObject({ outcome: "forbidden", peer: { uid: 0 } });
});
