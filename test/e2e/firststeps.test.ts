// From nothing to the first credentials, as a new user at a terminal has it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Person } from "../cli/fakes/person.ts";
import { createHost, type Host, script } from "../install/host.ts";
import { createMachine, executable, isAlive, type Machine, until } from "./machine.ts";

const CLEAR = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };

function atTerminal({ environment }: Machine, ...words: string[]): Person {
  return new Person([executable, ...words], environment);
}

/** All that a command writes to a terminal of 120 columns. */
async function screenOf(machine: Machine, ...words: string[]): Promise<string> {
  await using person = atTerminal(machine, ...words);
  expect(await person.exit()).toBe(0);
  return Bun.stripANSI(await person.seenUntil("--help")).replaceAll("\r", "");
}

function writeAws({ home }: Machine, config: string): void {
  mkdirSync(`${home}/.aws`, { recursive: true });
  writeFileSync(`${home}/.aws/config`, config);
}

const roleProfile = ({ sts }: Machine, name: string) =>
  `[profile base]
aws_access_key_id = ${sts.root.accessKeyId}
aws_secret_access_key = ${sts.root.secretAccessKey}
[profile ${name}]
role_arn = arn:aws:iam::111122223333:role/${name}
source_profile = base
endpoint_url = ${sts.url}
`;

test("keyhole alone says in five lines what to do where nothing is configured, and starts nothing", async () => {
  await using machine = await createMachine();
  await using person = atTerminal(machine);
  expect(await person.exit()).toBe(0);
  const lines = Bun.stripANSI(await person.seenUntil("all commands"))
    .trimEnd()
    .split("\r\n");
  expect(lines).toHaveLength(5);
  expect(lines[1]).toContain("keyhole config add");
  expect(existsSync(machine.paths.home)).toBe(false);
  const piped = await machine.run([]);
  expect([piped.exitCode, piped.stdout]).toEqual([2, ""]);
  expect(piped.stderr).toContain("USAGE");
});

test("keyhole alone shows configs and profiles, with account, role, state and expiry", async () => {
  await using machine = await createMachine();
  writeAws(machine, roleProfile(machine, "team"));
  expect(await screenOf(machine)).toContain("next: keyhole exec --profile team -- aws sts get-caller-identity");
  await machine.addConfig("dev");
  const before = await screenOf(machine);
  expect(before).toMatch(/^CONFIG +ACCOUNT AND ROLE +STATE +EXPIRES IN$/m);
  expect(before).toMatch(/^dev +111122223333 dev +unused +-$/m);
  expect(before).toMatch(/^profile team +111122223333 team +unused +-$/m);
  expect(before).toContain("next: keyhole exec -n dev -- aws sts get-caller-identity");
  expect(machine.daemonPid()).toBeUndefined();
  await machine.keyhole("export team", { env: CLEAR });
  const after = await screenOf(machine);
  expect(after).toMatch(/^profile team +111122223333 team +ready +\d+ min( \d+ s)?$/m);
  expect(after).toContain("next: keyhole exec --profile team -- aws sts get-caller-identity");
  expect(machine.sts.count("AssumeRole")).toBe(1);
});

/** A clean machine: an AWS CLI, a ~/.aws/config of one role's profile, and releases to install from. */
async function createClean() {
  const machine = await createMachine();
  writeAws(machine, roleProfile(machine, "P"));
  const bin = `${machine.home}/.local/bin`;
  mkdirSync(bin, { recursive: true });
  writeFileSync(`${bin}/aws`, '#!/bin/sh\n[ "$*" = "sts get-caller-identity" ] && echo "as $AWS_ACCESS_KEY_ID"\n', {
    mode: 0o755,
  });
  const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...environment } = machine.environment;
  return { machine, environment: { ...environment, PATH: `${bin}:${environment["PATH"]}` } };
}

/** Types lines into a shell on a terminal, and answers what these ask; resolves to all that was asked and said. */
async function typeInto(
  environment: Readonly<Record<string, string>>,
  lines: readonly string[],
  answers: readonly (readonly [question: string, keys: string])[],
): Promise<string> {
  await using person = new Person(["sh", "-ec", [...lines, "echo all of it"].join("\n")], environment);
  for (const [question, keys] of answers) await person.answers(question, keys);
  const screen = await person.seenUntil("all of it");
  expect(await person.exit()).toBe(0);
  return screen;
}

/** The role whose credentials a program was seen with. */
function roleSeen({ sts }: Machine, screen: string): string | undefined {
  return sts.issued.get(/^as (ASIA\w+)/m.exec(screen)![1]!)?.arn;
}

// Packed once: 110 MB.
let releases: Host;
beforeAll(() => {
  releases = createHost();
  releases.publishFile("0.1.0", `keyhole-${process.platform}-${process.arch}`, readFileSync(executable));
});
afterAll(() => releases[Symbol.dispose]());

test("install, then one command: credentials of a profile, without a question", async () => {
  const { machine, environment } = await createClean();
  await using _ = machine;
  const lines = [`sh ${script}`, "keyhole exec --profile P -- aws sts get-caller-identity"];
  const env = { ...environment, KEYHOLE_BASE_URL: releases.fileUrl };
  const screen = await typeInto(env, lines, []);
  expect(screen).toMatch(/^next: keyhole /m);
  expect(roleSeen(machine, screen)).toContain(":assumed-role/P/");
});

test("install, then config add by five answers, and the command that it names", async () => {
  const { machine, environment } = await createClean();
  await using _ = machine;
  const next = "keyhole exec -n dev -- aws sts get-caller-identity";
  const answers: [string, string][] = [
    ["Name of the config:", "dev\r"],
    // The profile that stands first gives the keys, and the second is a role of theirs.
    ["Which profile's credentials?", "\r"],
    ["Role to assume, its ARN (empty: base as it is):", "arn:aws:iam::111122223333:role/deploy\r"],
    ["More?", "\r"],
    ["Test it now?", "\r"],
  ];
  const env = { ...environment, KEYHOLE_BASE_URL: releases.fileUrl, AWS_ENDPOINT_URL_STS: machine.sts.url };
  const screen = await typeInto(env, [`sh ${script}`, "keyhole config add", next], answers);
  expect(screen).toMatch(/it works: arn:aws:sts::111122223333:assumed-role\/deploy\//m);
  expect(screen).toContain(`next: ${next}`);
  expect(roleSeen(machine, screen)).toContain(":assumed-role/deploy/");
});

test("config add takes any parameter behind More?, found by typing, and never shows a secret", async () => {
  await using machine = await createMachine();
  writeAws(machine, roleProfile(machine, "P"));
  await using person = atTerminal(machine, "config", "add", "full");
  const screen: string[] = [];
  const answers = async (question: string, keys: string) => {
    screen.push(await person.answers(question, keys));
  };
  await answers("Which profile's credentials?", "none of\r");
  await answers("Role to assume, its ARN:", "arn:aws:iam::111122223333:role/full\r");
  await answers("More?", "y\r");
  for (const [typed, question, value] of [
    ["Session.aws_access", "Session.aws_access_key_id:", "AKIAFULL"],
    ["Session.aws_secret", "Session.aws_secret_access_key (not shown):", "CANARY"],
    ["STS.use_ssl", "STS.use_ssl:", "false"],
    ["external", "AssumeRole.ExternalId:", "0123"],
  ] as const) {
    await answers("Which parameter?", `${typed}\r`);
    await answers(question, `${value}\r`);
  }
  await answers("Which parameter?", "\r");
  await answers("Test it now?", "n\r");
  screen.push(await person.seenUntil("get-caller-identity"));
  expect(await person.exit()).toBe(0);
  expect(screen.join("")).not.toContain("CANARY");
  expect(JSON.parse(await machine.keyhole("config get full"))).toEqual({
    AssumeRole: { RoleArn: "arn:aws:iam::111122223333:role/full", ExternalId: "0123" },
    Session: { aws_access_key_id: "AKIAFULL", aws_secret_access_key: "CANARY" },
    STS: { use_ssl: false },
  });
});

test("config add says what is wrong where the test of it fails, and keeps it", async () => {
  await using machine = await createMachine();
  writeAws(machine, roleProfile(machine, "P"));
  machine.sts.roles.set("arn:aws:iam::111122223333:role/closed", { deny: true });
  await using person = new Person([executable, "config", "add", "closed"], {
    ...machine.environment,
    AWS_ENDPOINT_URL_STS: machine.sts.url,
  });
  await person.answers("Which profile's credentials?", "\r");
  await person.answers("Role to assume", "arn:aws:iam::111122223333:role/closed\r");
  await person.answers("More?", "\r");
  await person.answers("Test it now?", "\r");
  await person.sees("keyhole: warning: ");
  await person.sees("AccessDenied");
  await person.sees("keyhole: hint: ");
  await person.sees("next: keyhole exec -n closed -- aws sts get-caller-identity");
  expect(await person.exit()).toBe(0);
});

const pidIn = (text: string) => Number(/started \(pid (\d+)\)/.exec(text)?.[1]);

test("keyhole demo shows the main job, and leaves nothing behind, also when it is interrupted", async () => {
  await using machine = await createMachine();
  const places = `${machine.home}/t`;
  mkdirSync(places);
  const env = { ...CLEAR, TMPDIR: places };
  const shown = await machine.keyhole("demo", { env });
  expect(shown).toContain("50 clients, 0 failures, 1 set of credentials, 1 AssumeRole call");
  expect(shown).toMatch(/^renewed credentials: ASIA/m);
  const child = machine.spawn(["demo"], { env });
  let seen = "";
  for await (const bytes of child.stdout) {
    seen += new TextDecoder().decode(bytes);
    if (pidIn(seen)) child.kill("SIGINT");
  }
  expect(await child.exited).toBe(130);
  expect([isAlive(pidIn(seen)), readdirSync(places)]).toEqual([false, []]);
  const { stdout } = await machine.run(["demo"], { env, under: ["sh", "-c", '"$0" "$@" | head -n 8'] });
  // The shell waits for head alone.
  await until(() => !isAlive(pidIn(stdout)) && readdirSync(places).length === 0);
  expect(existsSync(machine.paths.home)).toBe(false);
});
