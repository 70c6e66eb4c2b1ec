// Where source credentials come from, by the compiled executable: the profile that people and SDKs name, the way to AWS,
// and the programs on it.
import { expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { as, canBeOthers, publicExecutable } from "./daemons.ts";
import { startProxy } from "../sts/proxy.ts";
import { createMachine, executable, type Machine, roleArn, until } from "./machine.ts";

const NO_KEYS = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };

function writeAwsConfig(machine: Machine, text: string): void {
  mkdirSync(join(machine.home, ".aws"), { recursive: true });
  writeFileSync(join(machine.home, ".aws", "config"), text);
}

function keysOf({ sts }: Machine): string {
  return `aws_access_key_id = ${sts.root.accessKeyId}\naws_secret_access_key = ${sts.root.secretAccessKey}\n`;
}

function writeScript(machine: Machine, name: string, text: string): string {
  const path = join(machine.home, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

test("a named profile that gives nothing is refused everywhere, and STS is not asked", async () => {
  await using machine = await createMachine();
  writeAwsConfig(machine, `[default]\n${keysOf(machine)}[profile p]\nregion = eu-west-1\n`);
  await machine.addConfig("named", "Session.profile_name=p");
  await machine.addConfig("plain");
  const told =
    "profile 'p' gives no credentials: no keys, role, web identity, sign-in or credential_process of its own";
  const commands = [
    { words: "export -n named" },
    { words: "grant add g --config named" },
    { words: "export -n plain", env: { AWS_PROFILE: "p" } },
    { words: "export -n plain", env: { AWS_PROFILE: "p", ...NO_KEYS } },
    { words: "grant add g --config plain", env: { AWS_PROFILE: "p" } },
  ];
  for (const { words, env = {} } of commands) {
    const { exitCode, stdout, stderr } = await machine.run(words.split(" "), { env });
    expect({ words, exitCode, stdout }).toEqual({ words, exitCode: 5, stdout: "" });
    expect(stderr).toContain(told);
  }
  const validation = await machine.run(["config", "validate", "-n", "named"]);
  expect(validation).toMatchObject({ exitCode: 1, stdout: expect.stringContaining(told) });
  const doctor = await machine.run(["doctor"]);
  expect(doctor).toMatchObject({ exitCode: 1, stdout: expect.stringContaining(`named: ${told}`) });
  expect(machine.sts.calls).toBeEmpty();
  await machine.addConfig("fine");
  expect((await machine.run(["export", "-n", "fine"])).exitCode).toBe(0);
});

/** Tools that hand AWS_PROFILE on to the keyhole that they run; each prints the ARN that it is. */
const tools: Readonly<Record<string, readonly string[]>> = {
  "AWS CLI": ["aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"],
  boto3: ["python3", "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"],
  "AWS SDK for JavaScript": [process.execPath, "-e", javascript()],
};

function javascript(): string {
  const sdk = JSON.stringify(join(import.meta.dir, "../../node_modules/@aws-sdk/client-sts"));
  const chain = JSON.stringify(join(import.meta.dir, "../../node_modules/@aws-sdk/credential-provider-node"));
  return `const { STSClient, GetCallerIdentityCommand } = require(${sdk});
    const { defaultProvider } = require(${chain});
    const client = new STSClient({ credentials: defaultProvider(), region: "us-east-1" });
    client.send(new GetCallerIdentityCommand({})).then(({ Arn }) => console.log(Arn));`;
}

/** Version managers put a shim before the program, which wants their own variables. */
function environmentOf(machine: Machine): Record<string, string> {
  const { PATH = "", PYENV_ROOT = "/root/.pyenv" } = process.env;
  return {
    ...machine.environment,
    PATH,
    PYENV_ROOT,
    AWS_ENDPOINT_URL: machine.sts.url,
    AWS_DEFAULT_REGION: "us-east-1",
  };
}

const hasTool = async (command: readonly string[]): Promise<boolean> => {
  const check = command[0] === "python3" ? ["python3", "-c", "import boto3"] : [command[0]!, "--version"];
  return (
    Bun.which(command[0]!) !== null && (await Bun.spawn(check, { stdout: "ignore", stderr: "ignore" }).exited) === 0
  );
};

for (const [name, command] of Object.entries(tools)) {
  const isThere = await hasTool(command);
  test.skipIf(!isThere)(
    `AWS_PROFILE may name the profile that calls keyhole, for the ${name}${isThere ? "" : " (not here)"}`,
    async () => {
      await using machine = await createMachine();
      const process = `${executable} export -f credential-process -n staging`;
      const wrapper = writeScript(machine, "wrapper", `exec ${process} 2>/dev/null`);
      writeAwsConfig(
        machine,
        `[default]\n${keysOf(machine)}[profile staging]\ncredential_process = ${process}\n` +
          `[profile wrapped]\ncredential_process = ${wrapper}\n`,
      );
      await machine.addConfig("staging");
      for (const profile of ["staging", "wrapped"]) {
        // No daemon and no session: the one that is started asks for its source with this environment.
        await machine.run(["daemon", "stop"]);
        const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...environment } = environmentOf(machine);
        const child = Bun.spawn([...command], {
          env: { ...environment, AWS_PROFILE: profile },
          stdout: "pipe",
          stderr: "pipe",
        });
        const [stdout, stderr] = await Promise.all(
          [child.stdout, child.stderr].map((each) => new Response(each).text()),
        );
        expect({ profile, stdout, stderr }).toMatchObject({
          stdout: expect.stringContaining("assumed-role/staging/"),
        });
      }
      const [session] = JSON.parse(await machine.keyhole("daemon list --json")) as { notes: string[] }[];
      expect(session!.notes[0]).toEndWith("calls keyhole itself: the source is profile default (config file) instead");
    },
    60_000,
  );
}

test("a session takes another one for its source where its config says so", async () => {
  await using machine = await createMachine();
  writeAwsConfig(machine, `[profile base]\ncredential_process = ${executable} export -f credential-process -n base\n`);
  await machine.addConfig("base");
  await machine.addConfig("top", "Session.profile_name=base");
  await machine.keyhole("export -n top");
  const keys = machine.sts.calls.map(({ accessKeyId }) => accessKeyId);
  expect(keys).toEqual([machine.sts.root.accessKeyId, machine.sts.calls[0]!.issuedKeyId!]);
});

test("the proxy of whoever asks is the way to AWS, not that of whoever started the daemon", async () => {
  await using machine = await createMachine();
  const proxy = await startProxy();
  try {
    await machine.keyhole("daemon start", { env: { HTTP_PROXY: "http://127.0.0.1:1" } });
    await machine.addConfig("dev");
    await machine.keyhole("export -n dev", { env: { HTTP_PROXY: proxy.url } });
    expect(proxy.targets).toEqual([new URL(machine.sts.url).host]);
    await machine.addConfig("direct");
    const env = { HTTPS_PROXY: undefined };
    const refused = await machine.run(["export", "-n", "direct"], { env });
    expect(refused).toMatchObject({ exitCode: 7, stderr: expect.stringContaining("through the proxy 127.0.0.1:1") });
    await machine.addConfig("exempt");
    await machine.keyhole("export -n exempt", { env: { ...env, NO_PROXY: "127.0.0.1" } });
  } finally {
    await proxy.stop();
  }
});

test("an MFA command may take longer than a client waits for anything else", async () => {
  await using machine = await createMachine();
  machine.sts.mfa = { serialNumber: "arn:aws:iam::111122223333:mfa/developer", code: "654321" };
  machine.sts.roles.set(roleArn("slow"), { requireMfa: true });
  const command = writeScript(machine, "code", "sleep 22; echo 654321");
  await machine.addConfig(
    "slow",
    "AssumeRole.SerialNumber=arn:aws:iam::111122223333:mfa/developer",
    `MFA.command=${command}`,
  );
  expect((await machine.run(["export", "-n", "slow"])).exitCode).toBe(0);
}, 60_000);

test("an MFA command that is too slow or fails is named, with its last line and no code", async () => {
  await using machine = await createMachine();
  const serial = "AssumeRole.SerialNumber=arn:aws:iam::111122223333:mfa/developer";
  const failing = writeScript(machine, "failing", "echo 'key 123456 is locked: touch it' >&2; exit 3");
  await machine.addConfig("failing", serial, `MFA.command=${failing}`);
  await machine.addConfig("late", serial, "MFA.timeout=1", `MFA.command=${writeScript(machine, "late", "sleep 60")}`);
  const what = "MFA.command failed with status 3: key *** is locked: touch it";
  expect(await machine.run(["export", "-n", "failing"])).toMatchObject({
    exitCode: 5,
    stderr: expect.stringContaining(what),
  });
  expect(JSON.stringify(machine.log())).toContain("MFA.command failed with status 3");
  expect(JSON.stringify(machine.log())).not.toContain("touch it");
  const late = await machine.run(["export", "-n", "late"]);
  expect(late).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("MFA.command did not end within 1 s") });
});

test.skipIf(!existsSync("/proc/self/environ"))("a resolver's environment block holds no secret", async () => {
  await using machine = await createMachine();
  const pidFile = join(machine.home, "resolver");
  const helper = writeScript(
    machine,
    "helper",
    `cut -d " " -f 4 /proc/$PPID/stat > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; sleep 60`,
  );
  writeAwsConfig(machine, `[profile slow]\ncredential_process = ${helper}\n`);
  await machine.addConfig("dev", "Session.profile_name=slow");
  const env = {
    AWS_SESSION_TOKEN: "canary-token",
    HTTPS_PROXY: "http://user:canary@127.0.0.1:1",
    AWS_CONTAINER_AUTHORIZATION_TOKEN: "canary-c",
  };
  const asking = machine.run(["export", "-n", "dev", "--client-timeout", "2"], { env });
  await until(() => existsSync(pidFile));
  const pid = readFileSync(pidFile, "utf8").trim();
  const names = readFileSync(`/proc/${pid}/environ`, "utf8")
    .split("\0")
    .filter(Boolean)
    .map((each) => each.split("=")[0]);
  expect(names.filter((name) => !["HOME", "PATH"].includes(name!))).toEqual([]);
  await asking;
});

test.skipIf(!canBeOthers)("without HOME and without an account children have a home, and STS is asked", async () => {
  await using machine = await createMachine();
  using copy = publicExecutable();
  const { path } = copy;
  chownSync(machine.home, NUMBER, NUMBER);
  const options = {
    program: path,
    under: as(NUMBER),
    cwd: "/",
    env: { HOME: undefined, KEYHOLE_HOME: machine.paths.home },
  };
  await machine.keyhole(machine.adding("dev").join(" "), options);
  expect(await machine.run(["export", "-n", "dev"], options)).toMatchObject({ exitCode: 0, stderr: "" });
  await machine.keyhole("daemon stop", options);
});

test("a config whose Source is another is assumed with that one's credentials, any number deep", async () => {
  await using machine = await createMachine({ configs: ["base"] });
  const add = (name: string, ...settings: string[]) =>
    machine.run([
      "config",
      "add",
      "-n",
      name,
      "--role-arn",
      roleArn(name),
      ...[`STS.endpoint_url=${machine.sts.url}`, ...settings].flatMap((setting) => ["--set", setting]),
    ]);
  expect(await add("mid", "Source=base")).toMatchObject({ exitCode: 0 });
  expect(await add("top", "Source=mid")).toMatchObject({ exitCode: 0 });
  expect(await machine.run(["export", "-n", "top"])).toMatchObject({ exitCode: 0 });
  const calls = machine.sts.calls.map(({ parameters }) => parameters["RoleArn"]!.split("/")[1]);
  expect(calls).toEqual(["base", "mid", "top"]);
  const [, , top] = machine.sts.calls;
  expect(top!.accessKeyId).toBe(machine.sts.calls[1]!.issuedKeyId);
  const [listed] = JSON.parse(await machine.keyhole("daemon list --json")) as { source: string }[];
  expect(listed).toMatchObject({
    config: "top",
    source: expect.stringMatching(/^config mid, STS at 127\.0\.0\.1:\d+$/),
  });
  const granted = await machine.run(["grant", "add", "box", "--config", "top", "--tag", "a=b"]);
  expect(granted).toMatchObject({ exitCode: 0 });
  // What changes in a source is another identity for all above it.
  expect(await machine.run(["config", "update", "-n", "base", "--set", "AssumeRole.ExternalId=x1"])).toMatchObject({
    exitCode: 0,
  });
  const before = machine.sts.calls.length;
  expect(await machine.run(["export", "-n", "top"])).toMatchObject({ exitCode: 0 });
  expect(machine.sts.calls.slice(before)[0]!.parameters).toMatchObject({ ExternalId: "x1" });
  for (const [words, what] of [
    [["update", "-n", "base", "--set", "Source=top"], "form a loop: base -> top -> mid -> base"],
    [["update", "-n", "mid", "--set", "Source=mid"], "form a loop: mid -> mid"],
    [["update", "-n", "mid", "--set", "Source=nothing"], "the Source of config mid is nothing, which is no config"],
    [["update", "-n", "mid", "--set", "AssumeRole.DurationSeconds=7200"], "must be at most 3600"],
    [["update", "-n", "mid", "--set", "Session.profile_name=p"], "Session.profile_name goes with no Source"],
  ] as const) {
    const refused = await machine.run(["config", ...words]);
    expect({ words, ...refused }).toMatchObject({ words, exitCode: 1, stderr: expect.stringContaining(what) });
  }
  // A loop that a person has written, past the commands.
  const path = join(machine.paths.configs, "base.yaml");
  writeFileSync(path, `${readFileSync(path, "utf8")}Source: top\n`);
  expect(await machine.run(["config", "validate", "-n", "top"])).toMatchObject({
    exitCode: 1,
    stdout: expect.stringContaining("form a loop"),
  });
  await machine.keyhole("daemon remove -n top");
  expect(await machine.run(["export", "-n", "top"])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("form a loop: top -> mid -> base -> top"),
  });
});

/** Of a user without a line in passwd(5), as a container's may be. */
const NUMBER = 54_321;

const DOCUMENT = '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s"}';

/** A helper that succeeds where its surroundings are the requester's. */
function helperThat(machine: Machine, name: string, condition: string): string {
  const { accessKeyId, secretAccessKey } = machine.sts.root;
  const print = `printf '${DOCUMENT}' ${accessKeyId} '${secretAccessKey}'`;
  return writeScript(machine, name, `${condition} || { echo "$VAULT_ADDR is not to be had" >&2; exit 3; }\n${print}`);
}

test("a helper gets the environment and the directory of who asks, and no terminal", async () => {
  await using machine = await createMachine();
  const condition = [
    '[ "$VAULT_ADDR" = https://vault.example.test ]',
    '[ "$GPG_TTY" = /dev/pts/7 ]',
    `[ "$PWD" = ${machine.home}/work ]`,
    '[ -z "$LD_LIBRARY_PATH$NODE_OPTIONS$BUN_X" ]',
    "[ ! -t 0 ] && ! read -r line",
  ].join(" && ");
  writeAwsConfig(machine, `[profile vault]\ncredential_process = ${helperThat(machine, "vault", condition)}\n`);
  await machine.addConfig("dev", "Session.profile_name=vault");
  machine.sts.mfa = { serialNumber: "arn:aws:iam::111122223333:mfa/developer", code: "654321" };
  const code = writeScript(machine, "code", `${condition} && echo 654321`);
  const serial = "AssumeRole.SerialNumber=arn:aws:iam::111122223333:mfa/developer";
  await machine.addConfig("mfa", serial, `MFA.command=${code}`);
  const env = {
    VAULT_ADDR: "https://vault.example.test",
    GPG_TTY: "/dev/pts/7",
    LD_LIBRARY_PATH: "/nowhere",
    NODE_OPTIONS: "--no-warnings",
    BUN_X: "1",
  };
  await machine.addConfig("poor", "Session.profile_name=vault");
  const refused = await machine.run(["export", "-n", "poor"]);
  expect(refused).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("status 3: is not to be had") });
  for (const name of ["dev", "mfa"])
    expect(await machine.run(["export", "-n", name], { env })).toMatchObject({ exitCode: 0 });
  // So does one for a grant, whose session is its own; the audit has no line of the first question, which was none.
  for (const name of ["dev", "mfa"])
    expect(await machine.run(["grant", "add", `of-${name}`, "--config", name], { env })).toMatchObject({ exitCode: 0 });
  expect(await machine.run(["grant", "add", "of-poor", "--config", "poor"])).toMatchObject({ exitCode: 5 });
  const audited = readFileSync(join(machine.paths.home, "logs", "audit.jsonl"), "utf8");
  expect(audited).not.toContain("surroundings");
  expect(audited).not.toContain("vault.example.test");
  // A renewal has what the session was made with, whoever causes it; a daemon that starts has not.
  expect(await machine.run(["daemon", "add", "-n", "mfa", "--force"], { env })).toMatchObject({ exitCode: 0 });
  await machine.keyhole("daemon restart");
  for (const name of ["dev", "mfa"])
    expect(await machine.run(["export", "-n", name], { env })).toMatchObject({ exitCode: 0 });
  expect(readFileSync(machine.paths.log, "utf8")).not.toContain("vault.example.test");
});

test("an environment that is too large loses its largest variables, and they are named", async () => {
  await using machine = await createMachine();
  const helper = helperThat(machine, "helper", '[ -z "$LARGE_0" ] && [ "$SMALL" = 1 ] && false');
  writeAwsConfig(machine, `[profile p]\ncredential_process = ${helper}\n`);
  await machine.addConfig("dev", "Session.profile_name=p");
  const large = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [`LARGE_${index}`, "x".repeat(120_000 + index)]),
  );
  const { exitCode, stderr } = await machine.run(["export", "-n", "dev"], { env: { ...large, SMALL: "1" } });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 5,
    stderr: expect.stringContaining("status 3 (its environment was too large: without LARGE_8, LARGE_9)"),
  });
});

test("a helper may take its time, no more than it has, and runs in / where the directory is gone", async () => {
  await using machine = await createMachine();
  const gone = join(machine.home, "gone");
  mkdirSync(gone);
  const slow = helperThat(machine, "slow", `sleep 12 && [ "$PWD" = / ]`);
  writeAwsConfig(
    machine,
    `[profile slow]\ncredential_process = ${slow}\n[profile hung]\ncredential_process = sleep 600\n`,
  );
  await machine.addConfig("slow", "Session.profile_name=slow");
  await machine.addConfig("hung", "Session.profile_name=hung", "Session.timeout=2");
  const under = ["/bin/sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh"];
  const asking = machine.run(["export", "-n", "slow"], { cwd: gone, under });
  const began = performance.now();
  const hung = await machine.run(["export", "-n", "hung"]);
  expect(hung).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("did not end within 2 s") });
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(await asking).toMatchObject({ exitCode: 0 });
}, 40_000);
