// Canaries in everything secret that keyhole touches, every command and many failures run with them, and then a search:
// on disk, in the log, on stdout and stderr, and in the arguments and environments of other processes.
import { expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Key } from "../sts/server.ts";
import { type Canaries, leaksIn, secretKey, textsBelow, watchProcesses } from "./canaries.ts";
import { isRoot } from "./daemons.ts";
import { createMachine, executable, type Machine, type RunOptions, configText, until } from "./machine.ts";

const SERIAL = "arn:aws:iam::111122223333:mfa/dev";
const MFA_CODE = "918273";

/** A machine whose STS knows two more long-term keys, and everything secret that is planted in it. */
async function createPlanted() {
  const machine = await createMachine({ mfa: { serialNumber: SERIAL, code: MFA_CODE } });
  const newKey = (name: string): Key => {
    const key = { ...machine.sts.root, accessKeyId: `AKIA${name.padEnd(16, "X")}`, secretAccessKey: secretKey() };
    machine.sts.issued.set(key.accessKeyId, key);
    return key;
  };
  const inConfig = newKey("CONFIG");
  const inProcess = newKey("PROCESS");
  /** The requester's: those it hands to what is run on its behalf, and one that concerns nobody. */
  const requester = {
    "requester's key": machine.sts.root.secretAccessKey,
    "requester's token": `token/${secretKey()}`,
  };
  const planted = {
    "key in a config": inConfig.secretAccessKey,
    "session token in a config": `IQoJ${secretKey()}`,
    "external id": `external-${secretKey().replaceAll("/", "_")}`,
    "token code": MFA_CODE,
    "policy in a config": `Sid${secretKey().replaceAll(/[^A-Za-z0-9]/g, "0")}`,
    "unreadable line of a config": secretKey(),
    "key that is no word": `+${secretKey()}`,
    "setting of the wrong kind": secretKey(),
    "key of a credential_process": inProcess.secretAccessKey,
    "stderr of a credential_process": secretKey(),
    "stdout of a credential_process": secretKey(),
    "stdout of an MFA command": secretKey(),
    "stderr of an MFA command": secretKey(),
    "variable of no concern": secretKey(),
  };
  const env = { AWS_CONTAINER_AUTHORIZATION_TOKEN: requester["requester's token"] };
  return { machine, inConfig, inProcess, requester, planted, env };
}

type Planted = Awaited<ReturnType<typeof createPlanted>>;

function script(machine: Machine, name: string, text: string): string {
  const path = join(machine.home, "scripts", name);
  mkdirSync(join(machine.home, "scripts"), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o700);
  return path;
}

/** Config name → YAML. The last ones are no configs, and must be refused without a word of theirs. */
function configsOf({ machine, inConfig, inProcess, planted }: Planted): Record<string, string> {
  const arn = (name: string, more?: string, keys?: string) => configText(machine, name, more, keys);
  const keys = `  aws_access_key_id: ${inConfig.accessKeyId}\n  aws_secret_access_key: ${inConfig.secretAccessKey}\n`;
  const policy = `'{"Statement":[{"Sid":"${planted["policy in a config"]}","Effect":"Allow","Action":"*"}]}'`;
  const mfa = (path: string) => `  SerialNumber: ${SERIAL}\nMFA:\n  command: ${path}\n`;
  const say = `echo '${planted["stdout of an MFA command"]}'; echo '${planted["stderr of an MFA command"]}' >&2`;
  const document = JSON.stringify({
    Version: 1,
    AccessKeyId: inProcess.accessKeyId,
    SecretAccessKey: inProcess.secretAccessKey,
  });
  const processes = {
    good: `echo '${planted["stderr of a credential_process"]}' >&2; echo '${document}'`,
    junk: `echo '${planted["stdout of a credential_process"]}'; echo '${planted["stderr of a credential_process"]}' >&2`,
    fail: `echo '${planted["stdout of a credential_process"]}' | tee /dev/stderr; exit 7`,
  };
  const profiles = Object.entries(processes).map(
    ([name, text]) => `[profile ${name}]\ncredential_process = ${script(machine, `process-${name}`, text)}\n`,
  );
  mkdirSync(join(machine.home, ".aws"));
  writeFileSync(join(machine.home, ".aws", "config"), profiles.join("\n"));
  return {
    environment: arn("environment"),
    static: arn("static", `  ExternalId: ${planted["external id"]}\n  Policy: ${policy}\n`, keys),
    tokencode: `${arn("tokencode")}  SerialNumber: ${SERIAL}\n  TokenCode: "${MFA_CODE}"\n`,
    "mfa-good": arn("mfa") + mfa(script(machine, "mfa-good", `${say}; echo ${MFA_CODE}`)),
    "mfa-fail": arn("mfa") + mfa(script(machine, "mfa-fail", `${say}; exit 7`)),
    "mfa-none": arn("mfa") + mfa(script(machine, "mfa-none", say)),
    "process-good": `${arn("process")}Session:\n  profile_name: good\n`,
    "process-junk": `${arn("process")}Session:\n  profile_name: junk\n`,
    "process-fail": `${arn("process")}Session:\n  profile_name: fail\n`,
    "bad-token": `${arn("static")}Session:\n${keys}  aws_session_token: ${planted["session token in a config"]}\n`,
    "no-yaml": `AssumeRole: {RoleArn: [\n${planted["unreadable line of a config"]}: ]]]\n`,
    unknown: `${arn("static")}  ${planted["key that is no word"]}: ${planted["setting of the wrong kind"]}\n`,
    "wrong-kind": `${arn("static")}  DurationSeconds: "${planted["setting of the wrong kind"]}"\n`,
    "no-arn": `AssumeRole:\n  RoleArn: ${planted["setting of the wrong kind"]}\n`,
  };
}

/** What people see: stderr always, stdout unless the command is asked for secrets. */
const answersSecrets = /^(export(?!.* -o)|config get(?!.* -o))/;

async function runAll(
  machine: Machine,
  commands: readonly string[],
  options: RunOptions,
): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  for (const command of commands) {
    const { stdout, stderr, exitCode } = await machine.run(command.split(" "), options);
    seen.set(`stderr of ${command} (exit ${exitCode})`, stderr);
    if (!answersSecrets.test(command)) seen.set(`stdout of ${command} (exit ${exitCode})`, stdout);
  }
  return seen;
}

function commandsFor(name: string): string[] {
  const formats = "json env credential-process fish powershell windows-cmd nushell dotenv sts".split(" ");
  return [
    `daemon add -n ${name}`,
    `daemon add --force --json -n ${name}`,
    ...(name === "static" ? formats : ["credential-process"]).map((format) => `export -f ${format} -n ${name}`),
    `export -o -n ${name}`,
    `whoami -n ${name}`,
    `exec --refresh -n ${name} -- true`,
    `config validate -n ${name}`,
    `config get -n ${name}`,
  ];
}

const general = [
  "daemon status",
  "daemon status --json",
  "daemon list",
  "daemon list --json",
  "daemon logs -t 0",
  "daemon logs -t 0 --json",
  "config list",
  "config list --json",
  "config validate --all",
];

/** Files that the test itself wrote secrets into. */
const isPlantedFile = (machine: Machine, path: string) =>
  [machine.paths.configs, join(machine.home, "scripts"), join(machine.home, ".aws")].some((place) =>
    path.startsWith(`${place}/`),
  );

function vendedBy(machine: Machine, known: readonly string[]): Canaries {
  const vended: Record<string, string> = {};
  for (const { accessKeyId, secretAccessKey, sessionToken } of machine.sts.issued.values()) {
    if (known.includes(accessKeyId)) continue;
    vended[`vended key ${accessKeyId}`] = secretAccessKey;
    vended[`vended token ${accessKeyId}`] = sessionToken!.slice(20, 120);
  }
  return vended;
}

const leaks = (name: string, text: string, of: Canaries) => leaksIn(text, of).map((canary) => `${canary} in ${name}`);

test("no canary is found anywhere", async () => {
  const world = await createPlanted();
  await using machine = world.machine;
  const { requester, planted, env } = world;
  const began = Date.now();
  const known = [...machine.sts.issued.keys()];
  const configs = configsOf(world);
  mkdirSync(machine.paths.configs, { recursive: true, mode: 0o700 });
  chmodSync(machine.paths.home, 0o700);
  for (const [name, text] of Object.entries(configs)) {
    writeFileSync(join(machine.paths.configs, `${name}.yaml`), text, { mode: 0o600 });
  }
  const inPlace = { ...planted, ...requester };
  const options = { env: { ...env, UNRELATED_SECRET: planted["variable of no concern"] } };
  const watch = watchProcesses(planted, inPlace);

  const seen = await runAll(machine, ["daemon start", ...Object.keys(configs).flatMap(commandsFor)], options);
  if (isRoot) {
    seen.set("the daemon's environment", readFileSync(`/proc/${machine.daemonPid()}/environ`, "latin1"));
  }
  const messages = {
    key: requester["requester's key"],
    "encoded key": encodeURIComponent(requester["requester's key"]),
    "external id": planted["external id"],
  };
  for (const [what, secret] of Object.entries(messages)) {
    for (const [code, status] of [
      ["AccessDenied", 403],
      // Retried, with pauses of the SDK's.
      ...(what === "key" ? ([["InternalFailure", 500]] as const) : []),
      [`X${secret}`, 400],
    ] as const) {
      const message = `${what}: ${secret}, "${secret}" \u001b]0;${secret}\u0007`;
      machine.sts.faults.add({ action: "AssumeRole", fail: { code, message, status } });
      const names = what === "external id" ? ["static"] : ["environment"];
      const more = await runAll(
        machine,
        names.map((name) => `daemon add --force -n ${name}`),
        options,
      );
      for (const [where, text] of more) seen.set(`${where}, after ${code} with ${what}`, text);
      machine.sts.faults.clear();
    }
  }
  for (const garbage of ["text", "html", "wrong-shape", "empty"] as const) {
    machine.sts.faults.add({ action: "AssumeRole", garbage });
    for (const entry of await runAll(machine, ["daemon add --force -n static"], options)) seen.set(...entry);
    machine.sts.faults.clear();
  }
  for (const entry of await runAll(machine, [...general, "daemon remove -n static", "daemon restart"], options)) {
    seen.set(...entry);
  }
  const hidden = (await machine.run(["config", "get", "-o", "-n", "static"], options)).stdout;
  for (const entry of await runAll(machine, [...general, "daemon stop", "daemon logs -t 0"], options))
    seen.set(...entry);

  const sightings = await watch.stop();
  // The requester's own commands, and its helpers, have all of its variables, which proves that the watch sees; nothing
  // else has this one.
  const ofCommands = sightings.filter(
    (line) => line.endsWith("variable of no concern in its environment") && !/--daemon|--resolve-source/.test(line),
  );
  expect(ofCommands.length).toBeGreaterThan(10);
  expect(sightings.filter((line) => !ofCommands.includes(line))).toEqual([]);
  const everything = { ...inPlace, ...vendedBy(machine, known) };
  expect(Object.keys(everything).length).toBeGreaterThan(30);
  const found = [...seen].flatMap(([where, text]) => leaks(where, text, everything));
  // As elhaz has it, `config get --obscure` leaves the policy visible.
  const { "policy in a config": _, ...obscured } = everything;
  found.push(...leaks("config get --obscure", hidden, obscured));
  const texts = textsBelow(machine.home);
  expect([...texts.keys()]).toContain(machine.paths.log);
  expect(leaksIn(texts.get(join(machine.paths.configs, "static.yaml"))!, everything)).not.toEqual([]);
  for (const [path, text] of texts) {
    found.push(...leaks(path, text, isPlantedFile(machine, path) ? vendedBy(machine, known) : everything));
  }
  // Not the mounts of another test, which hang (fuse.ts).
  for (const name of readdirSync(tmpdir()).filter((each) => !each.startsWith("keyhole-fuse-"))) {
    const path = join(tmpdir(), name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.ctimeMs < began || machine.home.startsWith(path)) continue;
    if (stats.isFile() && stats.size < 1024 * 1024)
      found.push(...leaks(path, readFileSync(path, "latin1"), everything));
  }
  expect(found).toEqual([]);
}, 60_000);

test("what is spawned for a requester gets its variables, and none of what others have", async () => {
  const world = await createPlanted();
  await using machine = world.machine;
  const { requester, env, inConfig } = world;
  const known = [...machine.sts.issued.keys()];
  const spy = script(
    machine,
    "spy",
    `env > ${machine.home}/seen-$$; tr '\\0' ' ' < /proc/$PPID/cmdline > ${machine.home}/parent-$$; echo ${MFA_CODE}`,
  );
  await machine.addConfig(
    "static",
    `STS.aws_access_key_id=${inConfig.accessKeyId}`,
    `STS.aws_secret_access_key=${inConfig.secretAccessKey}`,
  );
  await machine.addConfig("first", `AssumeRole.SerialNumber=${SERIAL}`, `MFA.command=${spy}`);
  // Of another device: a code serves all roles of one.
  await machine.addConfig("second", `AssumeRole.SerialNumber=${SERIAL}2`, `MFA.command=${spy}`);
  await machine.keyhole("daemon start", { env });
  await machine.keyhole("daemon add -n static");
  await machine.keyhole("daemon add -n first", { env });
  const firsts = readdirSync(machine.home).filter((name) => name.startsWith("seen-"));
  machine.sts.mfa = { serialNumber: `${SERIAL}2`, code: MFA_CODE };
  await machine.keyhole("daemon add -n second", { env: { UNRELATED_SECRET: "unrelated-secret" } });
  // What a requester has beside the selection of a source is for its own helpers.
  const others = readdirSync(machine.home).filter((name) => name.startsWith("seen-") && !firsts.includes(name));
  expect([firsts.length, others.length]).toEqual([1, 1]);
  const read = (name: string) => readFileSync(join(machine.home, name), "utf8");
  expect(read(firsts[0]!)).toContain(requester["requester's token"]);
  expect(read(others[0]!)).not.toContain(requester["requester's token"]);
  expect(read(others[0]!)).toContain("unrelated-secret");
  expect(read(firsts[0]!)).not.toContain("unrelated-secret");
  for (const name of readdirSync(machine.home).filter((each) => /^(seen|parent)-/.test(each))) {
    expect([name, leaksIn(read(name), { config: inConfig.secretAccessKey })]).toEqual([name, []]);
    expect([name, leaksIn(read(name), vendedBy(machine, known))]).toEqual([name, []]);
  }
});

test("a secret that keyhole does not know, in a message of STS, is shown nowhere", async () => {
  await using machine = await createMachine();
  const canary = { "somebody's key": secretKey() };
  await machine.addConfig("dev");
  await machine.keyhole("daemon start");
  machine.sts.faults.add({
    fail: { code: "AccessDenied", message: `the key is ${canary["somebody's key"]}`, status: 403 },
  });
  const { stdout, stderr, exitCode } = await machine.run(["export", "-n", "dev"]);
  expect(exitCode).toBe(6);
  await until(() => machine.log().some(({ event }) => event === "renewal failed"));
  const log = readFileSync(machine.paths.log, "utf8");
  expect(leaksIn(stdout + stderr + log, canary)).toEqual([]);
});

test("a keyhole in a requester's profile asks the requester's daemon, not the one that runs it", async () => {
  await using machine = await createMachine();
  const other = `${machine.home}/other/daemon.sock`;
  await machine.addConfig("base");
  await machine.addConfig("chained", "Session.profile_name=chained");
  writeFileSync(
    `${machine.home}/aws-config`,
    `[profile chained]\ncredential_process = ${executable} export -f credential-process -n base\n`,
  );
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n base");
  await machine.keyhole("daemon start", { env: { KEYHOLE_SOCKET: other } });
  try {
    const env = { AWS_CONFIG_FILE: `${machine.home}/aws-config`, AWS_ACCESS_KEY_ID: undefined };
    const { exitCode, stderr } = await machine.run(["--socket-path", other, "daemon", "add", "-n", "chained"], { env });
    expect([exitCode, stderr]).toMatchObject([0, expect.stringContaining("session chained added")]);
    const source = machine.sts.calls.at(-1)!.accessKeyId;
    const base = JSON.parse(await machine.keyhole("export -n base")) as { access_key: string };
    expect(source).toBe(base.access_key);
  } finally {
    await machine.keyhole(`--socket-path ${other} daemon stop`);
  }
});

test("a daemon keeps no file of the keys that it was launched with", async () => {
  await using machine = await createMachine();
  // Bun gives a child its input as a file in memory; that of a daemon is not to be read by a test.
  const input = join(machine.home, "input");
  writeFileSync(input, `{"AWS_SECRET_ACCESS_KEY":"${secretKey()}"}\n`);
  const descriptor = openSync(input, "r+");
  const child = Bun.spawn([executable, "--daemon", "--launched"], {
    env: { HOME: machine.home },
    stdin: descriptor,
    stdout: "pipe",
    stderr: "ignore",
  });
  closeSync(descriptor);
  try {
    for await (const _ of child.stdout) break;
    expect(readFileSync(input, "utf8")).toBe("");
  } finally {
    child.kill();
    await child.exited;
  }
});
