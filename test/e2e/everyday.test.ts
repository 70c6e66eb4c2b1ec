// What people use every day: shell, prompt, top, and the line that says what is waited for.
import { expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../cli/fakes/person.ts";
import { createMachine, executable, type Result, until } from "./machine.ts";

async function start() {
  const machine = await createMachine();
  await machine.addConfig("dev");
  return machine;
}

/** A shell that runs these lines. */
function shellOf(home: string, lines: string): string {
  const path = join(home, "my-shell");
  writeFileSync(path, `#!/bin/sh\n${lines}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** The first answer that says something. */
async function answered(ask: () => Promise<Result>): Promise<Result> {
  for (;;) {
    const result = await ask();
    if (result.stdout !== "" || result.exitCode !== 0) return result;
  }
}

test("prompt says which config and for how long, and is no use of the session", async () => {
  await using machine = await start();
  const env = { KEYHOLE_CONFIG: "dev" };
  expect(await machine.run(["prompt"], { env })).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
  expect((await machine.run(["daemon", "status"])).exitCode).toBe(3);
  await machine.run(["export", "-n", "dev", "-f", "env"]);
  const [before] = JSON.parse((await machine.run(["daemon", "list", "--json"])).stdout);
  const audit = await machine.keyhole("audit --json");
  expect(before.usedAt).toBeString();
  const calls = machine.sts.calls.length;
  for (const options of [[], ["--client-timeout", "5"]]) {
    // It waits for no daemon that is busy, as it may be here.
    const shown = await answered(() => machine.run(["prompt", ...options], { env }));
    expect(shown).toMatchObject({ stderr: "", exitCode: 0 });
    expect(shown.stdout).toMatch(/^dev (?:1h00m|5\dm)\n$/);
  }
  const [after] = JSON.parse((await machine.run(["daemon", "list", "--json"])).stdout);
  expect(after.usedAt).toBe(before.usedAt);
  expect(machine.sts.calls.length).toBe(calls);
  for (const other of [undefined, "", "other", "../dev", "dev\u001B[31m", "x".repeat(5000)]) {
    const none = await machine.run(["prompt"], { env: { KEYHOLE_CONFIG: other } });
    expect(none).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
  }
  expect(await machine.keyhole("audit --json")).toBe(audit);
});

test("prompt ends with its answer, not with the silence after which a daemon is told that nothing more comes", async () => {
  await using machine = await start();
  await machine.keyhole("export -n dev -f env");
  // Sooner or later, on however busy a machine; never, if it stays for these 250 ms.
  await until(async () => {
    const began = performance.now();
    const { stdout } = await machine.run(["prompt"], { env: { KEYHOLE_CONFIG: "dev" } });
    return stdout.startsWith("dev ") && performance.now() - began < 200;
  });
});

test("inside of a shell -n has a default, AWS_PROFILE is the config's, and a shell in it is told so", async () => {
  await using machine = await start();
  const lines = `echo "$KEYHOLE_CONFIG $AWS_PROFILE"; until "$KEYHOLE" prompt | grep .; do :; done; "$KEYHOLE" whoami -o; "$KEYHOLE" exec -n dev -- sh -c 'echo "<$KEYHOLE_CONFIG>"'
sed -n "/^.profile $AWS_PROFILE]/,\\$p" "$AWS_CONFIG_FILE" | sed -n 's/^credential_process = //p' | head -n 1 | sh | cut -c 1-30
if [ -z "$NESTED" ]; then NESTED=1 "$KEYHOLE" shell; fi`;
  const env = { SHELL: shellOf(machine.home, lines), KEYHOLE: executable };
  const inside = await machine.run(["shell", "dev"], { env });
  expect(inside.exitCode).toBe(0);
  const once = `dev dev\ndev TIME\n{\n  "UserId": "***",\n  "Account": "***",\n  "Arn": "***"\n}\n<dev>\n{"Version":1,"AccessKeyId":"AS\n`;
  expect(inside.stdout.replaceAll(/\d\S*m\n/g, "TIME\n")).toBe(once + once);
  expect(inside.stderr.match(/this shell is inside of a shell of dev/g)).toHaveLength(1);
});

test("prompt is about the directory of configs that an option or a variable names", async () => {
  await using machine = await start();
  const [directory, odd] = [join(machine.home, "alt"), join(machine.home, "50%, alt")];
  for (const each of [directory, odd]) cpSync(machine.paths.configs, each, { recursive: true });
  const env = { KEYHOLE_CONFIG: "dev" };
  const at = (KEYHOLE_CONFIG_DIR: string) => ({ env: { ...env, KEYHOLE_CONFIG_DIR } });
  await machine.keyhole("export dev -f env", at(directory));
  expect(await machine.keyhole("prompt", { env })).toBe("");
  expect(await machine.keyhole("prompt", at(odd))).toBe("");
  await machine.keyhole("export dev -f env", at(odd));
  for (const place of [directory, odd, `${odd}/../alt/`]) {
    expect(await machine.keyhole("prompt", at(place))).toMatch(/^dev \d+m\n$/);
    expect((await machine.run(["prompt", "--config-dir", place], { env })).stdout).toMatch(/^dev \d+m\n$/);
  }
  await machine.keyhole("export dev -f env");
  for (const named of [machine.paths.configs, `${machine.paths.configs}/`]) {
    expect(await machine.keyhole("prompt", at(named))).toMatch(/^dev \d+m\n$/);
  }
});

test("a program of one config has no default of -n that means another, and keeps one that means the same", async () => {
  await using machine = await start();
  await machine.addConfig("prod");
  const nested = async (words: string, config: string) => {
    const env = { KEYHOLE_CONFIG: config, KEYHOLE: executable };
    const script = `echo "$KEYHOLE_CONFIG"; "$KEYHOLE" export -f env >/dev/null`;
    const { exitCode, stdout } = await machine.run([...words.split(" "), "--", "sh", "-c", script], { env });
    return [exitCode, stdout.trim()];
  };
  for (const words of ["exec prod", "exec --refresh prod", "run --config prod --in none"]) {
    expect(await nested(words, "dev")).toEqual([2, ""]);
  }
  expect(await nested("exec prod", "prod")).toEqual([0, "prod"]);
  expect(await nested("exec --refresh prod", "prod")).toEqual([0, "prod"]);
  // A variable does not say which directory it is of.
  expect(await nested(`exec prod --config-dir ${machine.paths.configs}`, "prod")).toEqual([2, ""]);
});

test("no profile of the person's is shadowed in a shell", async () => {
  await using machine = await start();
  const files = join(machine.home, ".aws");
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, "config"), "[profile dev]\nregion = eu-north-1\n");
  const env = { SHELL: shellOf(machine.home, 'echo "$AWS_PROFILE"; grep "^.profile" "$AWS_CONFIG_FILE"') };
  const { stdout } = await machine.run(["shell", "dev"], { env });
  expect(stdout).toBe("keyhole-dev\n[profile default]\n[profile keyhole-dev]\n[profile dev]\n");
});

test("a person is told after a second what is waited for, on a line that counts and is gone with the answer", async () => {
  await using machine = await start();
  machine.sts.faults.add({ action: "AssumeRole", hang: true });
  const words = [executable, "export", "-n", "dev", "-f", "credential-process"];
  const env = { ...machine.environment, AWS_REGION: "eu-west-1" };
  {
    await using person = new Person(words, env);
    await person.sees(/\[Kkeyhole: waiting for STS, eu-west-1, \d+ s/);
    await person.sees(/\[Kkeyhole: waiting for STS, eu-west-1, (?!1 )\d+ s/);
    await using still = new Person(words, { ...env, TERM: "dumb" });
    await still.sees("keyhole: waiting for STS, eu-west-1\r\n");
    machine.sts.faults.clear();
    await person.sees('\r\u001B[K{"Version":1');
    expect(await still.seenUntil("}")).toStartWith('{"Version":1');
  }
  const piped = await machine.run(["export", "-n", "dev", "-f", "credential-process"], { env });
  expect(piped.stderr).toBe("");
});

test("top draws again each second on a terminal, prints once elsewhere, and ends where the daemon does", async () => {
  await using machine = await start();
  expect((await machine.run(["top"])).exitCode).toBe(3);
  await machine.keyhole("export -n dev -f env");
  const once = await machine.keyhole("top");
  expect(once).toContain(": - requests/s");
  expect(once).not.toContain("\u001B");
  expect(once).toMatch(/^dev +\d+ min/m);
  await using person = new Person([executable, "top"], machine.environment);
  await person.sees("\u001B[H\u001B[Jkeyhole: ");
  await person.sees("- requests/s");
  await person.sees("\u001B[H\u001B[Jkeyhole: ");
  await person.sees(/\d+\.\d requests\/s/);
  await machine.keyhole("daemon stop");
  await person.sees("keyhole: error: ");
  expect(await person.exit()).toBe(3);
});
