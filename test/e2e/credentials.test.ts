// The main job: credentials of a role, from one STS call, in every form, whatever happens around them.
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Connection } from "../../src/client/connection.ts";
import { isErrorOf } from "../../src/errors.ts";
import { encodeVariables } from "../../src/surroundings.ts";
import { credentialsFile } from "./keyfile.ts";
import { configText, createMachine, dynamicExecutable, executable, type Machine, roleArn, until } from "./machine.ts";

interface ProcessDocument {
  readonly Version: number;
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly SessionToken: string;
  readonly Expiration: string;
  readonly AccountId: string;
}

const parse = (line: string) => JSON.parse(line) as ProcessDocument;

/** The exact form that stands in people's config files. */
async function vend(machine: Machine, name: string): Promise<ProcessDocument> {
  return parse(
    await machine.keyhole(`--socket-path ${machine.paths.socket} export --format credential-process -n ${name}`),
  );
}

async function startWith(...names: string[]) {
  const machine = await createMachine();
  for (const name of names) await machine.addConfig(name);
  await machine.keyhole("daemon start");
  return machine;
}

/** The config file of a role, written by hand. */
function writeConfig(machine: Machine, name: string, yaml: string): void {
  mkdirSync(machine.paths.configs, { recursive: true, mode: 0o700 });
  writeFileSync(join(machine.paths.configs, `${name}.yaml`), yaml, { mode: 0o600 });
}

test("the answer is one line of JSON that STS really issued", async () => {
  await using machine = await startWith("dev");
  const text = await machine.keyhole("export -f credential-process -n dev");
  expect(text).toMatch(/^[^\n]+\n$/);
  expect(text.length).toBeLessThan(8192);
  const document = parse(text);
  expect(document.Version).toBe(1);
  expect(document.AccountId).toBe("111122223333");
  expect(document.Expiration).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const key = machine.sts.issued.get(document.AccessKeyId)!;
  expect(document.SecretAccessKey).toBe(key.secretAccessKey);
  expect(document.SessionToken).toBe(key.sessionToken!);
});

test("the session is named after user and config, and the identity is asked once", async () => {
  await using machine = await startWith("dev");
  for (let count = 0; count < 2; count++) {
    const identity = JSON.parse(await machine.keyhole("whoami -n dev")) as { Arn: string };
    const user = process.getuid?.() === 0 ? "root" : "[\\w.-]+";
    expect(identity.Arn).toMatch(new RegExp(`^arn:aws:sts::111122223333:assumed-role/dev/keyhole-${user}-dev$`));
  }
  expect(machine.sts.count("GetCallerIdentity")).toBe(1);
});

test("twelve processes at once on a cold config: one AssumeRole, one answer", async () => {
  await using machine = await startWith("dev");
  const results = await Promise.all(
    Array.from({ length: 12 }, () => machine.run(["export", "-f", "credential-process", "-n", "dev"])),
  );
  expect(new Set(results.map(({ stdout, exitCode }) => `${exitCode} ${stdout}`)).size).toBe(1);
  expect(results[0]!.exitCode).toBe(0);
  expect(machine.sts.count("AssumeRole")).toBe(1);
});

test("a thousand clients at once on a cold config: one AssumeRole, no failure", async () => {
  await using machine = await startWith("dev");
  const environment = Object.entries(machine.environment).map(([name, value]) => ({ name, value }));
  const lines = await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const connection = await Connection.open(machine.paths.socket, { timeoutMs: 20_000, refusedPatienceMs: 10_000 });
      await connection.request("Add", { config: "dev", environment, verify: true, renew: false });
      const { line } = await connection.request("Vend", { config: "dev" });
      connection.close();
      return new TextDecoder().decode(line);
    }),
  );
  expect(new Set(lines).size).toBe(1);
  expect(lines.length).toBe(1000);
  expect(machine.sts.count("AssumeRole")).toBe(1);
});

test("a role whose STS call hangs delays neither another role nor status", async () => {
  await using machine = await startWith("dev", "stuck");
  await vend(machine, "dev");
  machine.sts.faults.add({ roleArn: roleArn("stuck"), hang: true });
  const stuck = machine.run(["export", "-n", "stuck"]);
  await machine.sts.until(() => machine.sts.count("AssumeRole", { roleArn: roleArn("stuck") }) === 1);
  for (let count = 0; count < 5; count++) await vend(machine, "dev");
  const status = JSON.parse(await machine.keyhole("daemon status --json")) as { sessions: { config: string }[] };
  expect(status.sessions.map(({ config }) => config).toSorted()).toEqual(["dev", "stuck"]);
  machine.sts.faults.clear();
  expect((await stuck).exitCode).toBe(0);
});

test("AWS's refusal is shown once, with its code and a hint, and remembered for a moment", async () => {
  await using machine = await startWith("dev");
  machine.sts.roles.set(roleArn("dev"), { deny: true });
  const first = await machine.run(["export", "-n", "dev"]);
  expect(first.exitCode).toBe(6);
  expect(first.stdout).toBe("");
  expect(first.stderr).toMatch(
    /^keyhole: error: AccessDenied: User: arn:aws:iam::111122223333:user\/developer is not /,
  );
  expect(first.stderr.split("\n")[1]).toStartWith("keyhole: hint: ");
  expect(first.stderr.trimEnd().split("\n").length).toBe(2);
  expect((await machine.run(["export", "-n", "dev"])).stderr).toBe(first.stderr);
  expect(machine.sts.count("AssumeRole")).toBe(1);
});

test("daemon add says right away what AWS says; --no-verify leaves it for later", async () => {
  await using machine = await startWith("dev");
  machine.sts.roles.set(roleArn("dev"), { deny: true });
  expect((await machine.run(["daemon", "add", "-n", "dev", "--no-verify"])).exitCode).toBe(0);
  expect(machine.sts.count("AssumeRole")).toBe(0);
  expect((await machine.run(["daemon", "add", "-n", "dev"])).exitCode).toBe(6);
});

test("an STS that cannot be reached is exit 7, and remembered for a moment", async () => {
  await using machine = await startWith("dev");
  await machine.sts.suspend();
  const { stderr, exitCode } = await machine.run(["export", "-n", "dev"]);
  expect(exitCode).toBe(7);
  expect(stderr).toContain("keyhole: hint: ");
  machine.sts.resume();
  await until(async () => (await machine.run(["export", "-n", "dev"])).exitCode === 0);
});

test("a throttled STS is exit 7 in the end", async () => {
  await using machine = await startWith("dev");
  machine.sts.faults.add({ action: "AssumeRole", fail: "Throttling" });
  expect((await machine.run(["export", "-n", "dev"])).exitCode).toBe(7);
});

test("an STS that never answers is a timeout of the client, exit 7", async () => {
  await using machine = await startWith("dev");
  machine.sts.faults.add({ action: "AssumeRole", hang: true });
  const { stderr, exitCode } = await machine.run(["--client-timeout", "0.3", "export", "-n", "dev"]);
  expect(exitCode).toBe(7);
  expect(stderr).toContain("no answer in 0.3 s");
});

test("while STS is down the last good credentials are vended, and renewed when it is back", async () => {
  await using machine = await createMachine({ minDuration: 60 });
  await machine.addConfig("short", "AssumeRole.DurationSeconds=66");
  await machine.keyhole("daemon start");
  const first = await vend(machine, "short");
  machine.sts.faults.add({ action: "AssumeRole", fail: { code: "InternalFailure", message: "down", status: 500 } });
  await machine.sts.until(() => machine.sts.count("AssumeRole") >= 2);
  expect(await vend(machine, "short")).toEqual(first);
  machine.sts.faults.clear();
  await until(async () => (await vend(machine, "short")).AccessKeyId !== first.AccessKeyId);
});

test("credentials that are too short to hand out are an error that says so", async () => {
  await using machine = await createMachine({ minDuration: 10 });
  await machine.addConfig("short", "AssumeRole.DurationSeconds=30");
  await machine.keyhole("daemon start");
  const { stderr, exitCode } = await machine.run(["export", "-n", "short"]);
  expect(stderr).toContain("too short to hand out");
  expect(exitCode).toBe(7);
});

test("adding again keeps good credentials, --force replaces them", async () => {
  await using machine = await startWith("dev");
  await machine.keyhole("daemon add -n dev");
  const first = await vend(machine, "dev");
  await machine.keyhole("daemon add -n dev");
  expect(await vend(machine, "dev")).toEqual(first);
  await machine.keyhole("daemon add -n dev --force");
  expect((await vend(machine, "dev")).AccessKeyId).not.toBe(first.AccessKeyId);
});

test("a removed session is gone; asking again assumes again", async () => {
  await using machine = await startWith("dev");
  const first = await vend(machine, "dev");
  await machine.keyhole("daemon remove -n dev");
  expect(await machine.keyhole("daemon list")).toBe("");
  expect((await machine.run(["daemon", "remove", "-n", "dev"])).exitCode).toBe(4);
  expect((await vend(machine, "dev")).AccessKeyId).not.toBe(first.AccessKeyId);
});

test("a changed config counts from the next request on; a broken one does not take the credentials away", async () => {
  await using machine = await startWith("dev");
  const before = await vend(machine, "dev");
  await machine.keyhole(`config update -n dev --set AssumeRole.RoleArn=${roleArn("other")}`);
  const after = await vend(machine, "dev");
  expect(after.AccessKeyId).not.toBe(before.AccessKeyId);
  expect(await machine.keyhole("whoami -n dev")).toContain(":assumed-role/other/");
  const path = join(machine.paths.configs, "dev.yaml");
  writeFileSync(path, "AssumeRole: [\n");
  expect(await vend(machine, "dev")).toEqual(after);
  const { sessions } = JSON.parse(await machine.keyhole("daemon status --json")) as { sessions: { notes: string[] }[] };
  expect(sessions[0]!.notes.join()).toContain("dev.yaml");
  rmSync(path);
  expect((await machine.run(["export", "-n", "dev"])).exitCode).toBe(4);
});

test("the least recently used session gives way, and costs one more STS call when it is asked for", async () => {
  await using machine = await createMachine();
  for (const name of ["one", "two", "three"]) await machine.addConfig(name);
  await machine.keyhole("--max-daemon-cache-size 2 daemon start");
  for (const name of ["one", "two", "three"]) await vend(machine, name);
  expect(await machine.keyhole("daemon list")).toBe("two\nthree\n");
  expect(machine.log().some(({ event, config }) => event === "session evicted" && config === "one")).toBe(true);
  await vend(machine, "one");
  expect(machine.sts.count("AssumeRole")).toBe(4);
});

test("source credentials are those of whoever added the session, not of whoever started the daemon", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
  await machine.keyhole("daemon start", { env: none });
  const { stderr, exitCode } = await machine.run(["export", "-n", "dev"], { env: none });
  expect(stderr).toContain("no source credentials");
  expect(exitCode).toBe(5);
  await machine.keyhole("daemon add -n dev");
  // Later callers need none.
  await machine.keyhole("export -n dev", { env: none });
});

test("a profile's keys, region and endpoint are found in the files that the requester's environment names", async () => {
  await using machine = await createMachine();
  writeFileSync(join(machine.home, "credentials"), credentialsFile(machine.sts.root, "work"));
  writeFileSync(
    join(machine.home, "config"),
    `[profile work]\nregion = eu-central-1\nendpoint_url = ${machine.sts.url}\n`,
  );
  const env = {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_CONFIG_FILE: join(machine.home, "config"),
    AWS_SHARED_CREDENTIALS_FILE: join(machine.home, "credentials"),
  };
  await machine.keyhole(`config add -n dev --role-arn ${roleArn("dev")} --set Session.profile_name=work`);
  await machine.keyhole("daemon start");
  expect(await machine.keyhole("export -f env -n dev", { env })).toContain("\nexport AWS_REGION=eu-central-1\n");
  const [session] = JSON.parse(await machine.keyhole("daemon list --json")) as { source: string }[];
  expect(session!.source).toContain("work");
});

/** A machine whose profile gets its credentials from keyhole itself. */
async function createChain(asked: string) {
  const machine = await createMachine();
  const command = `${executable} --socket-path ${machine.paths.socket} export -f credential-process -n ${asked}`;
  writeFileSync(join(machine.home, "config"), `[profile chained]\ncredential_process = ${command}\n`);
  await machine.addConfig("base");
  await machine.addConfig("top", "Session.profile_name=chained");
  await machine.keyhole("daemon start");
  return { machine, env: { AWS_CONFIG_FILE: join(machine.home, "config") } };
}

test("a config whose source is another config's session works", async () => {
  const { machine, env } = await createChain("base");
  await using _ = machine;
  await machine.keyhole("daemon add -n base");
  const { AccessKeyId } = parse(await machine.keyhole("export -f credential-process -n top", { env }));
  const call = machine.sts.calls.findLast(({ action }) => action === "AssumeRole")!;
  expect(machine.sts.issued.get(AccessKeyId)).toBeDefined();
  expect(call.accessKeyId).toStartWith("ASIA");
});

test("a config whose source is itself is a loop, said so and never hung", async () => {
  const { machine, env } = await createChain("top");
  await using _ = machine;
  const { stderr, exitCode } = await machine.run(["export", "-n", "top"], { env });
  expect(stderr).toContain("loop: top -> top");
  expect(exitCode).toBe(1);
  expect(machine.sts.count("AssumeRole")).toBe(0);
});

test("an MFA code comes from a command, once for all that is assumed by it", async () => {
  await using machine = await createMachine({ minDuration: 60 });
  machine.sts.mfa = { serialNumber: "arn:aws:iam::111122223333:mfa/developer", code: "654321" };
  machine.sts.roles.set(roleArn("admin"), { requireMfa: true });
  const command = join(machine.home, "code");
  writeFileSync(command, '#!/bin/sh\necho "run" >>"$HOME/runs"\necho "your code: 111111"\necho "no, 654321"\n');
  chmodSync(command, 0o755);
  await machine.keyhole("daemon start");
  writeConfig(
    machine,
    "admin",
    configText(
      machine,
      "admin",
      `  SerialNumber: arn:aws:iam::111122223333:mfa/developer\nMFA:\n  command: ${command}\n`,
    ),
  );
  await vend(machine, "admin");
  await machine.keyhole("daemon add -n admin --force");
  expect(readFileSync(join(machine.home, "runs"), "utf8")).toBe("run\n");
});

test("all of a config's parameters reach STS", async () => {
  await using machine = await createMachine();
  machine.sts.roles.set(roleArn("full"), { externalId: "ticket-7" });
  await machine.keyhole("daemon start");
  writeConfig(
    machine,
    "full",
    `${configText(machine, "full")}  RoleSessionName: release@7
  DurationSeconds: 1800
  ExternalId: ticket-7
  PolicyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]
  Policy: '{"Version":"2012-10-17","Statement":[]}'
  Tags: [{Key: team, Value: blue}]
  TransitiveTagKeys: [team]
  SourceIdentity: ada
`,
  );
  await vend(machine, "full");
  const { parameters } = machine.sts.calls.find(({ action }) => action === "AssumeRole")!;
  expect(parameters).toMatchObject({
    RoleSessionName: "release@7",
    DurationSeconds: "1800",
    ExternalId: "ticket-7",
    "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "Tags.member.1.Key": "team",
    "TransitiveTagKeys.member.1": "team",
    SourceIdentity: "ada",
  });
});

test("twelve cold configs that take their source credentials from a thirteenth do not starve it", async () => {
  await using machine = await createMachine();
  const names = Array.from({ length: 12 }, (_, index) => `c${index}`);
  const command = `${executable} --socket-path ${machine.paths.socket} export -f credential-process -n d`;
  const profiles = names.map((name) => `[profile ${name}]\ncredential_process = ${command}\n`);
  writeFileSync(join(machine.home, "config"), profiles.join(""));
  writeConfig(machine, "d", configText(machine, "d"));
  for (const name of names) writeConfig(machine, name, configText(machine, name, `Session: {profile_name: ${name}}\n`));
  await machine.keyhole("daemon start");
  // Known and cold: nothing in what asks for it later says that somebody waits.
  await machine.keyhole("daemon add -n d --no-verify");
  const variables = { ...machine.environment, AWS_CONFIG_FILE: join(machine.home, "config") };
  const environment = Object.entries(variables).map(([name, value]) => ({ name, value }));
  // From one process, so that all of them are under way before the first one asks for the thirteenth.
  const connections = await Promise.all(
    names.map(() => Connection.open(machine.paths.socket, { timeoutMs: 20_000, refusedPatienceMs: 10_000 })),
  );
  const addAll = () =>
    Promise.allSettled(
      names.map((config, index) =>
        connections[index]!.request("Add", { config, environment, verify: true, renew: false }),
      ),
    );
  const wanting = await addAll();
  expect(
    new Set(wanting.map((outcome) => isErrorOf((outcome as PromiseRejectedResult).reason, "surroundings-wanted"))),
  ).toEqual(new Set([true]));
  const piece = encodeVariables(machine.environment);
  const workingDirectory = machine.home;
  await Promise.all(
    connections.map((each) => each.request("Surround", { workingDirectory, leftOut: [], piece, more: false })),
  );
  const added = await addAll();
  for (const connection of connections) connection.close();
  const sources = added.map((outcome) =>
    outcome.status === "fulfilled" ? outcome.value.source : String(outcome.reason),
  );
  expect(new Set(sources).size).toBe(12);
  expect(machine.sts.count("AssumeRole")).toBe(13);
});

test("a clock that runs behind AWS's is corrected", async () => {
  await using machine = await createMachine();
  machine.sts.clockOffset = 20 * 60_000;
  await machine.addConfig("dev");
  await machine.keyhole("daemon start");
  const { Expiration } = await vend(machine, "dev");
  const left = Date.parse(Expiration) - (Date.now() + machine.sts.clockOffset);
  expect(left).toBeGreaterThan(58 * 60_000);
  const status = JSON.parse(await machine.keyhole("daemon status --json")) as { clockSkewMs: number };
  expect(Math.round(status.clockSkewMs / 60_000)).toBe(20);
});

const fakeTime = ["x86_64", "aarch64"]
  .map((cpu) => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

test.skipIf(fakeTime === undefined)(
  "after the clock jumps three hours the next request gets fresh credentials (needs libfaketime: apt-get install faketime)",
  async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    const timestamps = join(machine.home, "now");
    writeFileSync(timestamps, "+0\n");
    const daemon = machine.spawn(["--daemon"], {
      // A static executable has no loader that would preload anything.
      program: dynamicExecutable,
      env: {
        // With any of these it would start again, without the library.
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        AWS_EC2_METADATA_DISABLED: undefined,
        LD_PRELOAD: fakeTime,
        FAKETIME_TIMESTAMP_FILE: timestamps,
        FAKETIME_NO_CACHE: "1",
        DONT_FAKE_MONOTONIC: "1",
      },
    });
    await daemon.stdout.getReader().read();
    const before = await vend(machine, "dev");
    // A laptop that slept: the world has moved on with the clock.
    writeFileSync(timestamps, "+3h\n");
    machine.sts.clockOffset = 3 * 3_600_000;
    const after = await vend(machine, "dev");
    expect(after.AccessKeyId).not.toBe(before.AccessKeyId);
    expect(Date.parse(after.Expiration)).toBeGreaterThan(Date.now() + 3 * 3_600_000 + 16 * 60_000);
    // A clock that was set back: what AWS holds for expired must not be vended.
    writeFileSync(timestamps, "+0\n");
    const set = await vend(machine, "dev");
    expect(Date.parse(set.Expiration)).toBeGreaterThan(Date.now() + machine.sts.clockOffset + 16 * 60_000);
  },
);
