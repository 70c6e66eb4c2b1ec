// Hole by hole: what a process in a sandbox with one grant asks for, reads and changes. Its mount is
// read-only here; mounts.test.ts has a writable one.
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { messages } from "../../src/wire/messages.ts";
import { announce, request } from "../e2e/attacker.ts";
import { watchProcesses } from "../e2e/canaries.ts";
import { as, NOBODY } from "../e2e/daemons.ts";
import { addGrant, createHost, keysOf, runIn } from "../e2e/granthost.ts";
import { type Result, roleArn } from "../e2e/machine.ts";
import { expectForbidden, hex } from "./forbidden.ts";
import { attack, holderRigs, startAttack } from "./holder.ts";
import { startHost } from "./host.ts";
import { testWith } from "./rigs/rigs.ts";
import { createTenants } from "./tenants.ts";

const test = testWith(holderRigs);

const frame = (version: number, message: number, ...body: readonly number[]): Uint8Array =>
  Uint8Array.from([0, 0, 0, 2 + body.length, version, message, ...body]);
const fetchNumber = messages.Fetch.number;
const fetchFrame = frame(1, fetchNumber);

/** In elhaz's protocol and in others' words. */
const OPERATIONS =
  "list get add remove kill stop status credentials whoami assume export vend grant revoke config env exec shell ping hello reload policy role path run log logs debug eval source login refresh renew rotate token mfa admin root help version";

test("whatever is no Fetch gets the same bytes: every number, every version, every field more", async () => {
  await using tenants = await createTenants();
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  await expectForbidden(tenants.a, [
    ...bytes.filter((number) => number !== fetchNumber).map((number) => frame(1, number)),
    ...bytes.filter((version) => version !== 1).map((version) => frame(version, fetchNumber)),
    ...["prod", "agent-b"].map((name) => frame(1, fetchNumber, 0, name.length, ...Buffer.from(name))),
    ...Array.from({ length: 64 }, (_, size) => frame(1, fetchNumber, ...new Uint8Array(size + 1))),
    ...OPERATIONS.split(" ").flatMap((action) => [
      Buffer.from(`${JSON.stringify({ action, config: "prod", role: roleArn("admin"), policy: null })}\n`),
      Buffer.from(`${action} prod\n`),
      Buffer.from(`GET /${action} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    ]),
    announce(0),
    announce(1),
    announce(4099),
    announce(400 * 1024 * 1024),
    announce(2 ** 32 - 1),
  ]);
  await tenants.expectUnharmed();
  for (const { grant, config } of (await tenants.audit()).filter(({ kind }) => kind === "junk"))
    expect([grant, config]).toEqual(["agent-a", "dev"]);
});

test("10,000 random requests: STS sees the configured parameters and no others", async () => {
  await using tenants = await createTenants("--tag team=blue --duration 30m --source-identity agent");
  const { machine, a } = tenants;
  const { sessionName } = JSON.parse(await machine.keyhole("grant show agent-a --json")) as { sessionName: string };
  const requests = [
    fetchFrame,
    frame(1, fetchNumber, 0, 5, ...Buffer.from("admin")),
    request("Vend", { config: "admin" }),
    request("Add", { config: "admin", environment: [{ name: "AWS_PROFILE", value: "x" }], verify: true, renew: true }),
    request("GrantRevoke", { name: "agent-b" }),
    request("Stop", {}),
  ].map(hex);
  for (let seed = 1; seed <= 5; seed++) {
    // What changes nothing of the request, and has STS asked again.
    await machine.keyhole(`config update -n dev --set STS.region_name=eu-west-${seed}`);
    const { sent, kinds } = await attack<{ sent: number; kinds: string[] }>(a, "send_random", {
      seed,
      count: 2000,
      requests,
    });
    expect(sent).toBe(2000);
    expect(kinds).toHaveLength(2);
    expect(kinds[1]).toBe(String(fetchNumber));
  }
  const asked = machine.sts.calls.filter(({ roleArn: arn }) => arn === roleArn("dev"));
  expect(asked).toHaveLength(6);
  for (const { parameters } of asked)
    expect(parameters).toEqual({
      Action: "AssumeRole",
      Version: "2011-06-15",
      RoleArn: roleArn("dev"),
      RoleSessionName: sessionName,
      DurationSeconds: "1800",
      "Tags.member.1.Key": "team",
      "Tags.member.1.Value": "blue",
      SourceIdentity: "agent",
    });
  expect(new Set(machine.sts.calls.map(({ action }) => action))).toEqual(new Set(["AssumeRole"]));
});

test("no byte of anybody else's secrets is found wherever it looks, and nothing in the mount can be changed", async () => {
  await using tenants = await createTenants();
  const { a, b, machine } = tenants;
  keysOf(machine, await runIn(b, machine));
  for (const shares of [[], ["net", "pid"]] as const) {
    const options = { shares };
    await attack(a, "ask", null, options);
    const canaries = tenants.canaries();
    expect(canaries.length).toBeGreaterThan(5);
    const { found, looked } = await attack<{ found: string[]; looked: number }>(a, "search", { canaries }, options);
    expect(found).toEqual(["/tmp/planted"]);
    expect(looked).toBeGreaterThan(50);
    expect(await attack<Record<string, unknown>>(a, "meddle", null, options)).toEqual({
      chmod: "EROFS",
      create: "EROFS",
      write: "EROFS",
      unlink: "EROFS",
      rename: "EROFS",
      link: "EROFS",
      up: ["keyhole"],
    });
  }
  await tenants.expectUnharmed();
});

test("a sandbox that sees the host's processes and sockets reads none of the daemon, and no grant's path", async () => {
  await using tenants = await createTenants();
  const { a, daemon, machine } = tenants;
  const shared = { shares: ["net", "pid"] } as const;
  const looked = await attack<{ seen: number[]; read: string[]; open: number }>(a, "read_memory", null, shared);
  const { seen, read } = looked;
  expect(seen).toContain(daemon.pid);
  const readOf = (pid: number) =>
    read.filter((line) => line.startsWith(`${pid} `)).map((line) => line.split(" ").at(-1));
  expect(readOf(looked.open)).toEqual(["mem", "environ", "maps"]);
  expect(readOf(daemon.pid)).toEqual([]);
  const sockets = await attack<string>(a, "see_sockets", null, shared);
  expect(sockets).toContain("/proc/self/fd/");
  for (const { directory } of JSON.parse(await machine.keyhole("grant list --json")) as { directory: string }[])
    expect(sockets).not.toContain(directory.split("/").at(-1)!);
});

/** Runs a command in a sandbox of an ordinary user that has all files of the host, read-only. */
const inHost = (...words: string[]) => {
  const sandbox = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--uid", "1000", "--gid", "1000"];
  const { exitCode, stdout, stderr } = Bun.spawnSync([...as(NOBODY), ...sandbox, "--", ...words], { cwd: "/" });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
};

test("a sandbox of the same user that sees the host's files does not see which grants there are", async () => {
  const host = await startHost(NOBODY);
  try {
    const directory = await host.addGrant("agent-a");
    const parent = dirname(directory);
    expect(inHost("ls", parent)).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("Permission"),
    });
    expect(inHost("chmod", "755", parent)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("Read-only") });
    expect(inHost("find", parent, "-name", "aws-config").stdout).toBe("");
    expect(inHost("cat", join(directory, "aws-config")).stdout).toContain("credential_process");
    // Whatever it calls itself inside, it is who it is outside.
    expect(inHost(join(directory, "keyhole")).stdout).toContain("ASIA");
    expect((await host.audit()).find(({ kind }) => kind === "vend")!["peer"]).toMatchObject({
      uid: NOBODY,
      gid: NOBODY,
    });
  } finally {
    await host.stop();
  }
});

test("a connection that was passed on is marked, and no other program is named", async () => {
  await using tenants = await createTenants();
  expect(await attack<unknown>(tenants.a, "pass_on")).toEqual({ number: fetchNumber });
  const vend = (await tenants.audit()).find(({ kind, grant }) => kind === "vend" && grant === "agent-a")!;
  expect(vend).toMatchObject({ outcome: "ok", peer: { exited: true } });
  // Nobody looked at its program, if it ended sooner than that.
  expect(vend["peer"].executable ?? "/python3").toMatch(/\/python3/);
});

test("a writer of one byte a second is cut at 2 s, and one frame over the limit at once", async () => {
  await using tenants = await createTenants();
  const slow = await attack<number>(tenants.a, "write_slowly", { bytes: hex(fetchFrame) });
  expect(slow).toBeWithin(1900, 4500);
  expect(await attack<number>(tenants.a, "write_slowly", { bytes: hex(announce(4099)), at: "once" })).toBeLessThan(
    1000,
  );
});

const secretsOf = (machine: Awaited<ReturnType<typeof createHost>>) =>
  Object.fromEntries(
    [...machine.sts.issued.values()].flatMap(({ accessKeyId, secretAccessKey, sessionToken }) => [
      [`secret of ${accessKeyId}`, secretAccessKey],
      ...(sessionToken === undefined ? [] : [[`token of ${accessKeyId}`, sessionToken]]),
    ]),
  ) as Record<string, string>;

test("no secret stands in the arguments or the environment of a process, however credentials are asked for", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --executable full");
  const file = await addGrant(machine, "agent-f --config dev --deliver file");
  const secrets = secretsOf(machine);
  const watch = watchProcesses(secrets, secrets);
  await using poller = await startAttack(directory, "poll");
  const commands = ["", "export -f env", "whoami", "exec --refresh -- /bin/true"].map((line) => [
    "/run/keyhole/keyhole",
    ...line.split(" ").filter(Boolean),
  ]);
  for (const result of await attack<Result[]>(directory, "run", { commands })) expect(result.exitCode).toBe(0);
  await attack(file, "run", { commands: [["cat", "/run/keyhole/lease.json"]] });
  await poller.end();
  expect(await watch.stop()).toEqual([]);
});

/** What the sandbox may be told: a fixed set of short texts. */
const TOLD =
  /^keyhole: error: [a-zA-Z' ,]+\nkeyhole: hint: (ask the owner of this grant: keyhole grant show agent-a|try again in a few seconds)\n$/;

test("what STS says reaches no sandbox, no audit and, where it is a secret, no log", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  const canary = `canary-${machine.sts.root.secretAccessKey}`;
  const refuse = async (code: string, status: number) => {
    machine.sts.faults.clear();
    machine.sts.faults.add({ fail: { code, message: `${canary} is not authorized: ${roleArn("dev")}`, status } });
    await machine.keyhole("daemon restart");
    const [result] = await attack<Result[]>(directory, "run", { commands: [["/run/keyhole/keyhole"]] });
    expect(result).toMatchObject({ stdout: "", stderr: expect.stringMatching(TOLD) });
    return result!.exitCode;
  };
  expect(await refuse("AccessDenied", 403)).toBe(6);
  expect(await refuse("ExpiredToken", 400)).toBeOneOf([5, 6]);
  expect(await refuse("Throttling", 400)).toBe(7);
  expect(await refuse("InternalFailure", 500)).toBeOneOf([6, 7]);
  await machine.keyhole("grant revoke agent-a");
  expect(await refuse("AccessDenied", 403)).toBe(9);
  for (const name of readdirSync(join(machine.paths.home, "logs"))) {
    const text = await Bun.file(join(machine.paths.home, "logs", name)).text();
    expect([name, text.includes(machine.sts.root.secretAccessKey)]).toEqual([name, false]);
    if (name.startsWith("audit")) expect(text).not.toContain("canary");
  }
});
