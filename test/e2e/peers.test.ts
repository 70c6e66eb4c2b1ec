// What a user of elhaz knows, driven from outside: the ids are rows of the list of elhaz's behaviours and defects.
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../cli/fakes/person.ts";
import { createMachine, executable, isAlive, type Machine, roleArn, until } from "./machine.ts";

/** A config with every section, as elhaz's yaml.safe_dump writes it. */
const ELHAZ = `AssumeRole:
  DurationSeconds: 3600
  PolicyArns:
  - arn:aws:iam::aws:policy/ReadOnlyAccess
  RoleArn: arn:aws:iam::111122223333:role/elhaz
  Tags:
  - Key: team
    Value: blue
Meta:
  description: from elhaz
STS:
  region_name: eu-west-1
Session:
  region_name: eu-west-1
`;

/** A machine with elhaz's directory as elhaz makes it: 0755, the file 0644 (E-027). */
async function createElhazMachine() {
  const machine = await createMachine();
  const directory = join(machine.home, ".elhaz", "configs");
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const file = join(directory, "old.yaml");
  writeFileSync(file, ELHAZ);
  chmodSync(file, 0o644);
  return { machine, directory, file, [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose]() };
}

describe("elhaz's own files", () => {
  test("serve for listing, vending and changing where elhaz left them (E-020, E-030, E-034)", async () => {
    await using elhaz = await createElhazMachine();
    const { machine, directory } = elhaz;
    const env = { AWS_ENDPOINT_URL_STS: machine.sts.url };
    const old = (command: string) => machine.keyhole(`-cd ${directory} ${command}`, { env });
    expect(await old("config list")).toBe("old\n");
    await old("daemon start");
    // The daemon honours --config-dir as well, and PolicyArns reach STS as it wants them.
    expect(await old("export -n old -f credential-process")).toStartWith('{"Version":1,');
    const call = machine.sts.calls.find(({ action }) => action === "AssumeRole")!;
    expect(call.parameters["PolicyArns.member.1.arn"]).toBe("arn:aws:iam::aws:policy/ReadOnlyAccess");
    await old("config update -n old --set AssumeRole.DurationSeconds=900");
    expect(readFileSync(elhaz.file, "utf8")).toBe(ELHAZ.replace("3600", "900"));
    expect(statSync(elhaz.file).mode & 0o777).toBe(0o600);
  });

  test("lose nothing in an update by answers (E-058, E-059)", async () => {
    await using elhaz = await createElhazMachine();
    const { machine, directory, file } = elhaz;
    await converse(
      machine,
      ["--config-dir", directory, "config", "update", "-n", "old"],
      [
        ["Update config interactively?", "\r"],
        ["Which parameter?", "\r"],
      ],
    );
    expect(readFileSync(file, "utf8")).toBe(ELHAZ);
  });

  test("mean what they mean to elhaz, or are refused by a sentence of help/elhaz.md (E-031, E-032)", async () => {
    await using elhaz = await createElhazMachine();
    const env = { AWS_ENDPOINT_URL_STS: elhaz.machine.sts.url };
    const old = (command: string) => elhaz.machine.run(["-cd", elhaz.directory, ...command.split(" ")], { env });
    const loose = ELHAZ.replace("3600", "'3_600'").replace("STS:", "STS:\n  use_ssl: 'yes'\n  verify: On");
    writeFileSync(elhaz.file, `%YAML 1.1\n---\n${loose}`);
    expect(JSON.parse((await old("config get -n old")).stdout)).toMatchObject({
      AssumeRole: { DurationSeconds: 3600 },
      STS: { use_ssl: true, verify: true },
    });
    await old("daemon start");
    expect(await old("export -n old")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(elhaz.machine.sts.calls.find(({ action }) => action === "AssumeRole")!.parameters["DurationSeconds"]).toBe(
      "3600",
    );
    expect((await old("config update -n old --set AssumeRole.DurationSeconds=900")).exitCode).toBe(0);
    expect(readFileSync(elhaz.file, "utf8")).toBe(`%YAML 1.1\n---\n${loose.replace("'3_600'", "900")}`);

    writeFileSync(elhaz.file, "AssumeRole: &role\n  RoleArn: x\n");
    const anchor = await old("config validate -n old");
    expect([anchor.exitCode, anchor.stdout + anchor.stderr]).toEqual([
      1,
      expect.stringContaining("line 1: an anchor (&); keyhole reads none, write the value out"),
    ]);

    writeFileSync(join(elhaz.directory, "größe.yaml"), ELHAZ);
    expect(await old("config list")).toEqual({
      exitCode: 0,
      stdout: "old\n",
      stderr:
        "keyhole: warning: größe.yaml is not taken for a config\n" +
        "keyhole: hint: rename it: a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _\n",
    });
    expect((await old("config get -n größe")).exitCode).toBe(2);
  });

  test("stay as they are where the new text is no config (E-060)", async () => {
    await using elhaz = await createElhazMachine();
    const words = ["-cd", elhaz.directory, "config", "update", "-n", "old", "--set", "AssumeRole.RoleArn=nonsense"];
    expect(await elhaz.machine.run(words)).toMatchObject({ exitCode: 1, stdout: "" });
    expect(readFileSync(elhaz.file, "utf8")).toBe(ELHAZ);
  });
});

/** Answers questions in a terminal, each when it is there; the command must succeed. */
async function converse(
  machine: Machine,
  words: readonly string[],
  answers: readonly (readonly [question: string, keys: string])[],
): Promise<void> {
  await using person = new Person([executable, ...words], machine.environment);
  for (const [question, keys] of answers) await person.answers(question, keys);
  expect(await person.exit()).toBe(0);
}

describe("in a terminal", () => {
  test("config add asks for a name and a role, and again after a bad answer (E-051, E-054)", async () => {
    await using machine = await createMachine();
    await converse(
      machine,
      ["config", "add"],
      [
        ["Name of the config:", "dev\r"],
        ["Role to assume, its ARN:", "nonsense\r"],
        ["must be the ARN of a role", ""],
        ["Role to assume, its ARN:", `${roleArn("dev")}\r`],
        ["More?", "\r"],
        ["Test it now?", "n\r"],
      ],
    );
    expect(JSON.parse(await machine.keyhole("config get -n dev"))).toEqual({ AssumeRole: { RoleArn: roleArn("dev") } });
  });

  test.each<[title: string, question: string, words: string[]]>([
    ["a text", "Name of the config:", ["config", "add"]],
    ["a yes or no", "Remove config dev?", ["config", "remove", "-n", "dev"]],
    ["a choice", "Which one?", ["export"]],
  ])(
    "%s that is asked for is not waited for when the terminal is closed, nor after Ctrl-C (E-013)",
    async (_, question, words) => {
      await using machine = await createMachine({ configs: ["dev"] });
      for (const end of ["leaves", "interrupts"]) {
        await using person = new Person([executable, ...words], machine.environment);
        await person.sees(question);
        if (end === "leaves") person.leaves();
        else await person.answers("", "\u0003");
        expect([end, await person.exit()]).toEqual([end, 130]);
      }
      expect(await machine.keyhole("config list")).toBe("dev\n");
    },
  );
});

describe("an error is a line of what and a line of what to do, and no stack (E-010, E-012, E-014)", () => {
  test.each<[command: string, exit: number]>([
    ["export", 2],
    ["export -n", 2],
    ["export -n dev -f xml", 2],
    ["export -n dev", 3],
    ["exec -n dev -- true", 3],
    ["exec -n dev", 2],
    ["shell -n dev", 3],
    ["whoami", 2],
    ["whoami -n dev", 3],
    ["config get -n nope", 4],
    ["config get -n a.b", 2],
    ["config add", 2],
    ["config add -n new", 2],
    ["config add -n dev --role-arn x", 1],
    ["config update -n dev", 2],
    ["config remove -n dev", 2],
    ["config remove -n nope --yes", 4],
    ["config rename dev", 2],
    ["config meta", 2],
    ["daemon list", 3],
    ["daemon add -n dev", 3],
    ["daemon remove -n dev", 3],
    ["daemon logs -t many", 2],
    ["--client-timeout soon config list", 2],
    ["-mdcs 0 daemon start", 2],
    ["-musc x daemon start", 2],
    ["bogus", 2],
    ["daemon bogus", 2],
    ["config list --bogus", 2],
    ["completion tcsh", 2],
  ])("%s: exit %d", async (command, exit) => {
    await using machine = await createMachine({ configs: ["dev"] });
    const env = { KEYHOLE_AUTOSTART: "0" };
    const { stdout, stderr, exitCode } = await machine.run(command.split(" "), { env });
    expect([stdout, exitCode]).toEqual(["", exit]);
    expect(stderr).toMatch(/^keyhole: error: .*[^.\n]\nkeyhole: hint: .*[^.\n]\n$/);
    expect(stderr).not.toMatch(/error: [A-Z][a-z]|PosixPath|Errno/);
  });

  test("a client that waits too long says so (E-025)", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    await machine.keyhole("daemon start");
    machine.sts.faults.add({ action: "AssumeRole", hang: true });
    const { stdout, stderr, exitCode } = await machine.run(["--client-timeout", "0.2", "export", "-n", "dev"]);
    expect([stdout, exitCode]).toEqual(["", 7]);
    expect(stderr).toMatch(/^keyhole: error: .*\nkeyhole: hint: .*\n$/);
  });
});

test("the hint of a failure can be pasted, and mends it (E-072)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const words = ["--socket-path", machine.paths.socket.replace("daemon", "other"), "export", "-n", "dev"];
  const { stderr, exitCode } = await machine.run(words, { env: { KEYHOLE_AUTOSTART: "0" } });
  expect(exitCode).toBe(3);
  const hint = /^keyhole: hint: keyhole (.*)$/m.exec(stderr)![1]!;
  await machine.keyhole(hint);
  const pid = Number(readFileSync(machine.paths.lock.replace("daemon", "other"), "utf8"));
  try {
    expect(await machine.run(words)).toMatchObject({ stderr: "", exitCode: 0 });
  } finally {
    process.kill(pid, "SIGKILL");
    await until(() => !isAlive(pid));
  }
});

describe("a socket elsewhere, as elhaz's documents have it (E-021)", () => {
  test("/tmp/X.sock is refused without advice to change /tmp, and a client says that none answers", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    const socket = `/tmp/keyhole-e2e-${process.pid}.sock`;
    const start = await machine.run(["--socket-path", socket, "daemon", "start"]);
    expect(start).toMatchObject({ exitCode: 1, stdout: "" });
    expect(start.stderr).toMatch(
      /^keyhole: error: \/tmp (?:can be written by others|belongs to another user \(uid 0\))\nkeyhole: hint: use a directory of your own\n$/,
    );
    for (const words of [
      "export -n dev",
      "export -f credential-process -n dev",
      "daemon add -n dev",
      "whoami -n dev",
    ]) {
      const { stderr, exitCode } = await machine.run(["--socket-path", socket, ...words.split(" ")]);
      expect([words, exitCode, stderr]).toEqual([
        words,
        3,
        expect.stringMatching(
          /^keyhole: error: no daemon answers at .*\nkeyhole: hint: use a directory of your own\n$/,
        ),
      ]);
    }
    expect(existsSync(socket)).toBe(false);
  });

  test("a directory of one's own that others may write to is mended by the hint", async () => {
    await using machine = await createMachine();
    const open = join(machine.home, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    const { stderr } = await machine.run(["-sp", join(open, "x.sock"), "daemon", "start"]);
    expect(stderr).toEndWith(`keyhole: hint: chmod go-w ${open}\n`);
  });
});

test("talk never stands on stdout (E-011)", async () => {
  await using machine = await createMachine();
  for (const command of [
    machine.adding("dev").join(" "),
    "daemon start",
    "daemon start",
    "daemon add -n dev",
    "config update -n dev --set Meta.description=x",
    "config rename dev stage",
    "daemon restart",
    "daemon list",
    "config remove -n stage --yes",
    "daemon stop",
    "daemon stop",
    "config list",
  ]) {
    const { stdout, stderr, exitCode } = await machine.run(command.split(" "));
    expect([command, stdout, exitCode]).toEqual([command, "", 0]);
    expect([command, stderr]).not.toEqual([command, ""]);
  }
});

test("a removed config takes its live session along (E-062)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n dev");
  await machine.keyhole("config remove -n dev --yes");
  expect(JSON.parse(await machine.keyhole("daemon list --json"))).toEqual([]);
  expect((await machine.run(["export", "-n", "dev"])).exitCode).toBe(4);
});

test("stop says that it stopped, every time (E-075, E-076)", async () => {
  await using machine = await createMachine();
  for (let round = 0; round < 15; round++) {
    await machine.keyhole("daemon start");
    const { stderr, exitCode } = await machine.run(["daemon", "stop"]);
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/^daemon stopped \(pid \d+\)\n$/)]);
  }
});

test("the log says who got what of which config, and none of it is a secret (E-158, E-159)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  const answer = JSON.parse(await machine.keyhole("export -n dev")) as Record<string, string>;
  const line = machine.log().find(({ event }) => event === "credentials vended");
  expect(line).toMatchObject({ config: "dev", accessKeyId: answer["access_key"], uid: process.getuid!() });
  expect(line!["pid"]).toBeNumber();
  const text = readFileSync(machine.paths.log, "utf8");
  expect(text).not.toContain(answer["secret_key"]!);
  expect(text).not.toContain(answer["token"]!);
});

describe("odd environments", () => {
  test.each<[title: string, env: Record<string, string | undefined>, exit: number]>([
    ["a relative HOME", { HOME: "." }, 2],
    ["LANG=C", { LANG: "C", LC_ALL: "C" }, 0],
    ["a dumb terminal", { TERM: "dumb", NO_COLOR: "1" }, 0],
    ["colours by force", { FORCE_COLOR: "3", CLICOLOR_FORCE: "1" }, 0],
    ["no PATH", { PATH: undefined }, 0],
  ])("%s", async (_, env, exit) => {
    await using machine = await createMachine({ configs: ["dev"] });
    for (const command of ["config get -n dev", "daemon logs", "config list"]) {
      const { stdout, stderr, exitCode } = await machine.run(command.split(" "), { env });
      expect([command, exitCode]).toEqual([command, exit]);
      expect(stdout + stderr).not.toContain("\u001b");
      if (exit !== 0) expect(stderr).toMatch(/^keyhole: error: .*HOME.*\nkeyhole: hint: export KEYHOLE_HOME=.*\n$/);
    }
  });

  test.each(["0<&-", "2>&-", "2>/dev/full"])("%s changes no answer and no exit status", async (redirection) => {
    await using machine = await createMachine({ configs: ["dev"] });
    const sh = (command: string) =>
      machine.run(["-c", `"$0" ${command} ${redirection}`, executable], { program: "/bin/sh" });
    expect(await sh("config list")).toMatchObject({ stdout: "dev\n", exitCode: 0 });
    expect(await sh("config get -n nope")).toMatchObject({ stdout: "", exitCode: 4 });
    expect((await sh("config add -n new")).exitCode).toBe(2);
  });
});
