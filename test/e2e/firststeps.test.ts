// From nothing to the first credentials, as a new user at a terminal has it.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { Person } from "../cli/fakes/person.ts";
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
