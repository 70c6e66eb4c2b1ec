// Whose environment counts: each shell's own, for what the config leaves open.
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../cli/fakes/person.ts";
import { hasBubblewrap } from "./bubblewrap.ts";
import { credentialsFile, moveKeysToFile } from "./keyfile.ts";
import { createMachine, executable, type Machine, roleArn } from "./machine.ts";

test.each([
  ["exec -n dev -- printenv AWS_REGION", "ap-southeast-2\n"],
  ["exec --refresh -n dev -- printenv AWS_REGION", "ap-southeast-2\n"],
  ["export -f env -n dev", "export AWS_REGION=ap-southeast-2\n"],
])("the region of %s is the caller's, whoever asked before", async (command, expected) => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev", { env: { AWS_REGION: "eu-west-1" } });
  expect(await machine.keyhole(command, { env: { AWS_REGION: "ap-southeast-2" } })).toContain(expected);
  // Nor is the first caller's for those who name none.
  expect((await machine.run(command.split(" "))).stdout).not.toContain("eu-west-1");
});

/** What STS saw of the latest assumption of a role. */
function sourceOf(machine: Machine, name: string): string | undefined {
  return machine.sts.calls.findLast(({ action, roleArn: arn }) => action === "AssumeRole" && arn === roleArn(name))
    ?.accessKeyId;
}

describe.each(["exec -n dev --", "exec --refresh -n dev --", "shell -n dev"])("inside %s", (outer) => {
  /** Runs a script inside, or inside twice. */
  async function inside(machine: Machine, script: string, depth: number) {
    const shell = join(machine.home, "shell");
    writeFileSync(shell, '#!/bin/sh\neval "$SCRIPT"\n', { mode: 0o755 });
    const words = [executable, ...outer.split(" "), ...(outer.startsWith("shell") ? [] : [shell])].join(" ");
    const env = { SHELL: shell, SCRIPT: script, ...(depth === 2 && { SCRIPT: `SCRIPT='${script}' ${words}` }) };
    const result = await machine.run(words.split(" ").slice(1), { env });
    expect(result).toMatchObject({ exitCode: 0 });
    return result.stdout;
  }

  test.each([1, 2])("%d deep, another config is assumed from the same source as outside", async (depth) => {
    await using machine = await createMachine();
    moveKeysToFile(machine);
    for (const name of ["dev", "other"]) await machine.addConfig(name);
    const arn = await inside(machine, `${executable} whoami -n other`, depth);
    expect(arn).toContain(":assumed-role/other/");
    expect(sourceOf(machine, "other")).toBe(machine.sts.root.accessKeyId);
  });

  test.each([1, 2])("%d deep, keys of the shell outside are found by their id", async (depth) => {
    await using machine = await createMachine();
    for (const name of ["dev", "other"]) await machine.addConfig(name);
    const grant = `${executable} grant add agent --config other`;
    await inside(machine, `${executable} whoami -n other && ${grant}`, depth);
    expect(sourceOf(machine, "other")).toBe(machine.sts.root.accessKeyId);
    expect(machine.sts.count("AssumeRole", { roleArn: roleArn("other") })).toBe(2);
  });

  test("keys that a restart forgot are named, with the cure", async () => {
    await using machine = await createMachine();
    for (const name of ["dev", "other"]) await machine.addConfig(name);
    const stderr = await inside(machine, `${executable} daemon stop 2>&-; ${executable} whoami -n other 2>&1 || :`, 1);
    expect(stderr).toBe(
      `keyhole: error: the source credentials are keys of the shell outside, ${machine.sts.root.accessKeyId}, which this daemon does not have (any more)\nkeyhole: hint: leave this shell, and there: keyhole daemon add -n other\n`,
    );
    expect(machine.sts.count("AssumeRole", { roleArn: roleArn("other") })).toBe(0);
  });

  test("doctor reports no loop", async () => {
    await using machine = await createMachine();
    moveKeysToFile(machine);
    await machine.addConfig("dev");
    const report = JSON.parse(await inside(machine, `${executable} doctor --json || :`, 1)) as {
      id: string;
      level: string;
    }[];
    const levels = Object.fromEntries(report.map(({ id, level }) => [id, level]));
    expect(levels).toMatchObject({ "source-loop": "ok", "source-profile": "ok", shell: "ok" });
  });
});

/** In processes and a directory of its own. */
const container = (machine: Machine) => [
  "bwrap",
  "--unshare-pid",
  "--bind",
  "/",
  "/",
  "--proc",
  "/proc",
  "--dev",
  "/dev",
  "--tmpfs",
  join(machine.home, "work"),
  "--",
];

describe.skipIf(!hasBubblewrap)("a container that has the host's control socket", () => {
  test("selects no profile and no file there", async () => {
    await using machine = await createMachine();
    moveKeysToFile(machine);
    await machine.addConfig("dev");
    await machine.keyhole("daemon start");
    const home = join(machine.home, "work");
    const env = { HOME: home, AWS_PROFILE: "staging", AWS_CONFIG_FILE: join(home, "config"), PATH: "/usr/bin:/bin" };
    const words = ["-sp", machine.paths.socket, "export", "-f", "credential-process", "-n", "dev"];
    expect(await machine.run(words, { under: container(machine), env })).toMatchObject({ exitCode: 0, stderr: "" });
    expect(sourceOf(machine, "dev")).toBe(machine.sts.root.accessKeyId);
  });

  test("leaves a session that works its source, whatever endpoint it names", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    await machine.keyhole("export -n dev");
    moveKeysToFile(machine);
    const options = { under: container(machine), env: { AWS_ENDPOINT_URL: "http://127.0.0.1:9" } };
    const words = ["-sp", machine.paths.socket, "export", "-n", "dev"];
    expect(await machine.run(words, options)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await machine.keyhole("daemon list -l")).toContain(" environment, STS at ");
    expect(machine.sts.count("AssumeRole", { roleArn: roleArn("dev") })).toBe(1);
  });

  test("is told what to do on the host where it has no source", async () => {
    await using machine = await createMachine();
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) delete machine.environment[name];
    await machine.addConfig("dev");
    await machine.keyhole("daemon start");
    const words = ["-sp", machine.paths.socket, "export", "-n", "dev"];
    const { stderr, exitCode } = await machine.run(words, { under: container(machine) });
    expect(stderr).toContain("keyhole: hint: on the host: keyhole daemon add -n dev\n");
    expect(exitCode).toBe(5);
  });
});

test("a daemon that was started in a shell with keys gives none to another shell, which is told what does", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  const bare = { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } };
  const { stderr, exitCode } = await machine.run(["export", "-n", "dev"], bare);
  expect(stderr).toContain("keyhole: hint: in a shell that has source credentials: keyhole daemon add -n dev\n");
  expect(exitCode).toBe(5);
  await machine.keyhole("daemon add -n dev");
  await machine.keyhole("export -n dev", bare);
});

test("the token of a sign-in is shown to no server that a variable names", async () => {
  await using machine = await createMachine();
  moveKeysToFile(machine);
  await machine.addConfig("dev");
  const cache = join(machine.home, ".aws", "sso", "cache");
  mkdirSync(cache, { recursive: true });
  const url = "https://start.example/start";
  const signIn = { accessToken: "token-canary", expiresAt: new Date(Date.now() + 3_600_000), startUrl: url };
  const name = new Bun.CryptoHasher("sha1").update(url).digest("hex");
  writeFileSync(join(cache, `${name}.json`), JSON.stringify({ ...signIn, region: "us-east-1" }));
  const role = "sso_account_id = 111122223333\nsso_role_name = r\nsso_region = us-east-1";
  writeFileSync(join(machine.home, ".aws", "config"), `[profile s]\nsso_start_url = ${url}\n${role}\n`);
  let asked = 0;
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      asked += 1;
      return new Response(undefined, { status: 401 });
    },
  });
  const env = { AWS_PROFILE: "s", AWS_ENDPOINT_URL_SSO: server.url.href, NO_PROXY: "127.0.0.1" };
  expect((await machine.run(["export", "-n", "dev"], { env })).stderr).toContain("profile 's'");
  expect(asked).toBe(0);
});

describe("another STS, and another directory of configs,", () => {
  /** Each format goes its own way: credential-process by the fast lane. */
  const formats = ["json", "credential-process"];

  test("of one shell's variables are seen by no other, nor after a restart", async () => {
    await using machine = await createMachine();
    await using other = await createMachine();
    moveKeysToFile(machine);
    await machine.keyhole(`config add -n dev --role-arn ${roleArn("dev")}`);
    // What has no variable asks this one, by its profile.
    const file = `${join(machine.home, ".aws")}/config`;
    writeFileSync(file, `[default]\nendpoint_url = ${machine.sts.url}\n`);
    const { accessKeyId, secretAccessKey } = other.sts.root;
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const elsewhere = { env: { AWS_ENDPOINT_URL_STS: other.sts.url, ...keys } };
    const keyOf = async (format: string, options = {}) => {
      const text = await machine.keyhole(`export -f ${format} -n dev`, options);
      return /ASIA\w+/.exec(text)![0];
    };
    for (const format of formats) {
      expect(other.sts.issued.has(await keyOf(format, elsewhere))).toBe(true);
      expect(machine.sts.issued.has(await keyOf(format))).toBe(true);
      expect(other.sts.issued.has(await keyOf(format, elsewhere))).toBe(true);
    }
    expect((await machine.keyhole("daemon list")).split("\n").toSorted()).toEqual([
      "",
      "dev",
      `dev (${other.sts.url})`,
    ]);
    await machine.keyhole("daemon restart", elsewhere);
    expect(await machine.keyhole("daemon list")).toBe("dev\n");
    expect(machine.sts.issued.has(await keyOf("credential-process"))).toBe(true);
  });

  test("of a directory is a session of its own, on both ways", async () => {
    await using machine = await createMachine();
    const directory = join(machine.home, "other");
    await machine.addConfig("dev");
    await machine.keyhole(`-cd ${directory} ${machine.adding("dev").join(" ")}`);
    await machine.keyhole(`-cd ${directory} config update -n dev --set AssumeRole.RoleArn=${roleArn("other")}`);
    for (const format of formats) {
      const roles: Record<string, string> = {};
      for (const words of [`-cd ${directory} `, ""]) {
        const key = /ASIA\w+/.exec(await machine.keyhole(`${words}export -f ${format} -n dev`))![0];
        roles[words] = machine.sts.issued.get(key)!.arn;
      }
      expect(Object.values(roles)).toEqual([
        expect.stringContaining(":assumed-role/other/"),
        expect.stringContaining(":assumed-role/dev/"),
      ]);
    }
    const whoami = await machine.keyhole("whoami -n dev", { env: { KEYHOLE_CONFIG_DIR: directory } });
    expect(whoami).toContain(":assumed-role/other/");
    expect(await machine.keyhole("daemon list")).toContain(`dev (${directory})\n`);
  });

  test("stay the program's in exec --refresh", async () => {
    await using machine = await createMachine();
    const directory = join(machine.home, "other");
    await machine.keyhole(`-cd ${directory} ${machine.adding("dev").join(" ")}`);
    const script = `eval "$(sed -n 's/^credential_process = //p' "$AWS_CONFIG_FILE" | head -n 1)"`;
    const words = ["-cd", directory, "exec", "--refresh", "-n", "dev", "--", "sh", "-c", script];
    expect((await machine.run(words)).stdout).toContain('"AccessKeyId":"ASIA');
  });

  test("with a config that names its STS, change nothing", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    const env = { AWS_ENDPOINT_URL: "http://127.0.0.1:9", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" };
    for (const format of formats) await machine.keyhole(`export -f ${format} -n dev`, { env });
    await machine.keyhole("export -f credential-process -n dev");
    expect(await machine.keyhole("daemon list")).toBe("dev\n");
    expect(machine.sts.count("AssumeRole")).toBe(1);
  });
});

/** What a command says on a terminal. */
async function seen(machine: Machine, words: string, env: Readonly<Record<string, string>>): Promise<string> {
  const script = '"$@"; echo "ended with $?"';
  const command = ["sh", "-c", script, "sh", executable, ...words.split(" ")];
  await using person = new Person(command, { ...machine.environment, ...env });
  return (await person.seenUntil("ended with 0")).replaceAll("\r\n", "\n");
}

/** A machine whose profile `staging` calls keyhole for the config of that name. */
async function createStaging(): Promise<Machine> {
  const machine = await createMachine();
  moveKeysToFile(machine);
  await machine.addConfig("staging");
  const command = `${executable} export --format credential-process -n staging`;
  writeFileSync(`${join(machine.home, ".aws")}/config`, `[profile staging]\ncredential_process = ${command}\n`);
  return machine;
}

describe("on a terminal", () => {
  test("a profile that calls keyhole counts as not set, and a person is told what the source is instead", async () => {
    await using machine = await createStaging();
    const said = await seen(machine, "whoami -n staging", { AWS_PROFILE: "staging" });
    expect(said).toContain("keyhole: warning: staging: ");
    expect(said).toContain("the source is profile default (credentials file) instead\n");
    expect(said).toContain(":assumed-role/staging/");
    expect(sourceOf(machine, "staging")).toBe(machine.sts.root.accessKeyId);
  });

  test("which is no difference to a shell that chooses no profile", async () => {
    await using machine = await createStaging();
    await machine.keyhole("export -n staging", { env: { AWS_PROFILE: "staging" } });
    expect(await seen(machine, "whoami -n staging", {})).not.toContain("warning");
    await machine.keyhole("daemon remove -n staging");
    await machine.keyhole("export -n staging");
    expect(await seen(machine, "whoami -n staging", { AWS_PROFILE: "staging" })).not.toContain("daemon add");
  });

  test("a shell that selects another source is told so in one line, and gets what works", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    await machine.keyhole("export -n dev");
    const file = join(machine.home, "credentials");
    writeFileSync(file, credentialsFile(machine.sts.root, "mine"));
    const other = { AWS_ACCESS_KEY_ID: "", AWS_PROFILE: "mine", AWS_SHARED_CREDENTIALS_FILE: file };
    for (const command of ["whoami -n dev", "export -n dev", "exec -n dev -- true", "exec --refresh -n dev -- true"]) {
      const said = await seen(machine, command, other);
      expect(said.match(/keyhole: warning: /g)).toHaveLength(1);
      expect(said).toContain("keyhole: hint: keyhole daemon add -n dev\n");
    }
    expect(machine.sts.count("AssumeRole")).toBe(1);
    await machine.keyhole("daemon add -n dev", { env: other });
    expect(await seen(machine, "whoami -n dev", other)).not.toContain("warning");
    // Region, proxy and what keyhole put there are no source.
    const same = { AWS_REGION: "eu-north-1", HTTPS_PROXY: "http://127.0.0.1:10" };
    expect(await seen(machine, "whoami -n dev", { ...other, ...same })).not.toContain("warning");
    const nested = `exec -n dev -- ${executable} whoami -n dev`;
    expect(await seen(machine, nested, other)).not.toContain("warning");
  });
});

describe("what was made with keys of an environment is back after a restart", () => {
  const bare = { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } };

  test.each(["daemon start", "daemon list", "daemon status", "grant list", "export -n other", "whoami -n other"])(
    "by %s, from a shell that has the same keys",
    async (command) => {
      await using machine = await createMachine();
      for (const name of ["dev", "other"]) await machine.addConfig(name);
      await machine.keyhole("daemon add -n other");
      await machine.keyhole("daemon add -n dev");
      const directory = (await machine.keyhole("grant add agent --config dev --mount-at host")).trimEnd();
      const inside = () => machine.run([], { program: `${directory}/keyhole`, env: bare.env });
      await machine.keyhole("daemon restart", bare);
      expect(await machine.keyhole("daemon list", bare)).toBe("");
      expect((await inside()).exitCode).toBe(5);
      // Other keys heal nothing.
      await machine.keyhole("daemon list", { env: { AWS_ACCESS_KEY_ID: "AKIAOTHER", AWS_SECRET_ACCESS_KEY: "x" } });
      expect((await inside()).exitCode).toBe(5);
      await machine.keyhole(command);
      expect((await machine.keyhole("daemon list", bare)).split("\n")).toContain("dev");
      await machine.keyhole("export -n dev", bare);
      expect(await inside()).toMatchObject({ exitCode: 0, stderr: "" });
      expect(sourceOf(machine, "dev")).toBe(machine.sts.root.accessKeyId);
    },
  );

  test("by daemon restart itself", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    await machine.keyhole("daemon add -n dev");
    expect((await machine.run(["daemon", "restart"])).stderr).toContain("  sessions: 1 of 1 came back\n");
    await machine.keyhole("export -n dev", bare);
  });
});

test.each([
  ["the config", ["Session.profile_name=p"], {}],
  ["the environment", [], { AWS_PROFILE: "p" }],
] as const)("a profile without credentials of its own, named by %s, takes nobody else's", async (_, set, env) => {
  await using machine = await createMachine();
  const { accessKeyId, secretAccessKey } = machine.sts.root;
  moveKeysToFile(machine);
  writeFileSync(`${join(machine.home, ".aws")}/config`, "[profile p]\nregion = eu-west-1\n");
  await machine.addConfig("dev", ...set);
  for (const keys of [{}, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }]) {
    const { stderr, exitCode } = await machine.run(["export", "-n", "dev"], { env: { ...env, ...keys } });
    expect(stderr).toContain("profile 'p'");
    expect(exitCode).toBe(5);
  }
  expect(machine.sts.count()).toBe(0);
});
