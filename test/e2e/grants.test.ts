// Grants with the executable that people run: made, used from their own directory, listed, revoked, removed.
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { addGrant, createHost, inside, keysOf, runIn } from "./granthost.ts";
import { roleArn, until } from "./machine.ts";

const GRANT_FILES = ["aws-config", "credentials", "env", "keyhole", "sock"];

test("G=$(keyhole grant add …) is a directory that a credential_process can be run from", async () => {
  await using machine = await createHost();
  const script = 'G=$("$1" grant add agent-a --config dev --ttl 8h --mount-at host) && echo "$G" && "$G/keyhole"';
  const { stdout } = await machine.run([], { under: ["sh", "-c", script, "sh"] });
  const [directory, ...line] = stdout.split("\n");
  expect(readdirSync(directory!).toSorted()).toEqual(GRANT_FILES);
  keysOf(machine, { stdout: line.join("\n"), stderr: "", exitCode: 0 });
});

test("the config file of a grant names a process that answers with the grant's own session", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  const [, process] = /^credential_process = (.+)$/m.exec(readFileSync(`${directory}/aws-config`, "utf8"))!;
  const answer = await machine.run([process!], { under: ["sh", "-c"], program: process!, env: inside });
  const ofGrant = keysOf(machine, answer);
  const ofConfig = keysOf(machine, await machine.run(["export", "-f", "credential-process", "-n", "dev"]));
  expect(ofGrant).not.toBe(ofConfig);
  const names = machine.sts.calls.map(({ parameters }) => parameters["RoleSessionName"]);
  expect(names[0]).toMatch(/^keyhole-agent-a-[0-9a-f]{8}$/);
});

test("inside, every command that wants credentials takes the grant's, without a home", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --mount-at host --executable full");
  const key = keysOf(machine, await runIn(directory, machine));
  expect((await runIn(directory, machine, ["export", "-f", "env"])).stdout).toContain(`AWS_ACCESS_KEY_ID=${key}\n`);
  const shell = ["exec", "--", "/bin/sh", "-c", "echo $AWS_ACCESS_KEY_ID"];
  expect(await runIn(directory, machine, shell)).toMatchObject({ exitCode: 0, stdout: `${key}\n` });
  const refreshing = ["exec", "--refresh", "--", "/bin/sh", "-c", "echo $AWS_CONFIG_FILE $AWS_ACCESS_KEY_ID"];
  expect(await runIn(directory, machine, refreshing)).toMatchObject({ stdout: `${directory}/aws-config\n` });
  const whoami = await runIn(directory, machine, ["whoami"]);
  expect(JSON.parse(whoami.stdout)).toMatchObject({ Grant: "agent-a", Config: "dev", AccessKeyId: key });
  expect(machine.sts.count("AssumeRole")).toBe(1);
});

test("exec --refresh of a grant whose directory is seen elsewhere writes a config of its own, which works", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --executable full");
  const script = 'eval "$(sed -n "s/^credential_process = //p" "$AWS_CONFIG_FILE" | head -n 1)"';
  const words = ["exec", "--refresh", "--", "/bin/sh", "-c", script];
  keysOf(machine, await runIn(directory, machine, words, { HOME: machine.home }));
});

test("a grant of GetSessionToken hands on a session of the user, and never the user's keys", async () => {
  await using machine = await createHost();
  const { accessKeyId: own, secretAccessKey, arn } = machine.sts.root;
  const set = ["--set", "GetSessionToken.DurationSeconds=7200", "--set", `STS.endpoint_url=${machine.sts.url}`];
  expect(await machine.run(["config", "add", "-n", "token", ...set])).toMatchObject({ exitCode: 0 });
  expect(await machine.run(["grant", "add", "box", "--config", "token", "--duration", "1h"])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("--duration is for a config that assumes a role: a user's own session cannot be"),
  });
  // Unlike a profile's, it is made to end with the grant.
  const added = await machine.run("grant add box --config token --ttl 1h --mount-at host".split(" "));
  expect(added).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`it hands ${arn} on as it is`) });
  const { stdout } = await runIn(added.stdout.trimEnd(), machine);
  expect(machine.sts.issued.get(keysOf(machine, { stdout, stderr: "", exitCode: 0 }))).toMatchObject({ arn });
  expect(stdout).not.toContain(own);
  expect(stdout).not.toContain(secretAccessKey);
  const seconds = machine.sts.calls.find(({ action }) => action === "GetSessionToken")!.parameters["DurationSeconds"];
  expect(Number(seconds)).toBeLessThan(3_600);
  const user = arn.slice(arn.lastIndexOf("/") + 1);
  const revoked = await machine.run(["grant", "revoke", "box", "--print-iam"]);
  expect(revoked).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('"aws:TokenIssueTime"'),
    stderr: expect.stringContaining(`aws iam put-user-policy --user-name ${user} `),
  });
});

test("another name is refused with 9, over a named socket as well, and nothing is printed", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --mount-at host --executable full");
  const socket = ["--socket-path", `${directory}/sock`, "export", "-f", "credential-process"];
  for (const name of ["agent-a", "dev"]) keysOf(machine, await machine.run([...socket, "-n", name]));
  expect(await machine.run([...socket, "-n", "prod"])).toMatchObject({ exitCode: 9, stdout: "" });
  expect(await runIn(directory, machine, ["export", "-n", "prod"])).toMatchObject({ exitCode: 9, stdout: "" });
});

test("inside, commands for the host are forbidden, and start nothing", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --mount-at host --executable full");
  await machine.keyhole("daemon stop");
  for (const words of [
    "daemon list",
    "daemon start",
    "config list",
    "grant list",
    "grant revoke agent-a",
    "run --config dev --in none -- true",
  ]) {
    const result = await runIn(directory, machine, words.split(" "), { HOME: machine.home });
    expect(result).toMatchObject({ exitCode: 9, stdout: "" });
  }
  const result = await runIn(directory, machine, [], { HOME: machine.home });
  expect(result).toMatchObject({ exitCode: 3, stdout: "" });
  expect(result.stderr).not.toContain(machine.home);
  expect(machine.daemonPid()).toBeUndefined();
});

test("a grant and its directory outlive the daemon, and a poller does not notice a restart", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  const first = keysOf(machine, await runIn(directory, machine));
  process.kill(machine.daemonPid()!, "SIGKILL");
  await until(() => machine.daemonPid() === undefined);
  const [polled] = await Promise.all([runIn(directory, machine), machine.keyhole("daemon start")]);
  expect(keysOf(machine, polled)).not.toBe(first);
  expect((await machine.keyhole("grant path agent-a")).trimEnd()).toBe(directory);
});

test("a revoked grant answers nothing, over restarts, until it is removed with its directory", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  keysOf(machine, await runIn(directory, machine));
  const revoked = await machine.run("grant revoke agent-a --print-iam".split(" "));
  expect(JSON.parse(revoked.stdout)).toMatchObject({ Statement: [{ Effect: "Deny" }] });
  for (const round of ["at once", "after a restart"]) {
    const result = await runIn(directory, machine);
    expect({ round, ...result }).toMatchObject({ exitCode: 9, stdout: "", stderr: expect.stringContaining("revoked") });
    await machine.keyhole("daemon restart");
  }
  expect(await machine.keyhole("grant list")).toMatch(/agent-a +dev +revoked/);
  await machine.keyhole("grant remove -y agent-a");
  expect(existsSync(directory)).toBe(false);
  expect(await machine.run(["grant", "show", "agent-a"])).toMatchObject({ exitCode: 4, stdout: "" });
});

test("uses are counted down by one for each answer, and by none for a refusal (A-033, A-041)", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --mount-at host --max-uses 2");
  keysOf(machine, await runIn(directory, machine));
  keysOf(machine, await runIn(directory, machine, ["export", "-f", "credential-process"]));
  expect(await runIn(directory, machine)).toMatchObject({ exitCode: 9, stdout: "" });
  const { uses, state } = JSON.parse(await machine.keyhole("grant show agent-a --json")) as Record<string, unknown>;
  expect({ uses, state }).toEqual({ uses: 2, state: "used-up" });
});

test("a lease is read with cat, and nothing else is there", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --mount-at host --deliver file");
  expect(readdirSync(directory).toSorted()).toEqual(["aws-config", "credentials", "env", "lease.json"]);
  const [, process] = /^credential_process = (.+)$/m.exec(readFileSync(`${directory}/aws-config`, "utf8"))!;
  const { stdout } = Bun.spawnSync(["sh", "-c", process!]);
  keysOf(machine, { stdout: stdout.toString(), stderr: "", exitCode: 0 });
  await machine.keyhole("grant remove -y agent-a");
  expect(existsSync(directory)).toBe(false);
});

test.each([
  ["no name of a grant", "Agent --config dev", 2],
  ["no config", "agent-a", 2],
  ["a config that is not there", "agent-a --config nope", 4],
  ["a span that is none", "agent-a --config dev --ttl soon", 2],
  ["a lifetime that STS does not take", "agent-a --config dev --duration 5m", 1],
  ["a policy that is not there", "agent-a --config dev --policy none.json", 2],
  ["two tags of one key", "agent-a --config dev --tag a=1 --tag A=2", 1],
  ["a mount point that cannot be said", "agent-a --config dev --mount-at /a$b", 2],
  ["a role that may not be assumed", "agent-a --config closed", 6],
])("%s leaves nothing behind", async (_, words, exitCode) => {
  await using machine = await createHost();
  await machine.addConfig("closed");
  machine.sts.roles.set(roleArn("closed"), { deny: true });
  const result = await machine.run(["grant", "add", ...words.split(" ")]);
  expect(result).toMatchObject({ exitCode, stdout: "" });
  const left = (place: string) => {
    const path = join(machine.paths.home, place);
    return existsSync(path) ? readdirSync(path) : [];
  };
  // The lock is the directory's, whatever is in it.
  expect([...left("grants"), ...left("g")].filter((name) => name !== ".lock")).toEqual([]);
});

/** Every regular file of keyhole's home but the grants' own, by its path, that has one of these texts in it. */
function filesWith(home: string, texts: readonly string[]): string[] {
  return (readdirSync(home, { recursive: true }) as string[])
    .filter((path) => !path.startsWith("g/") && statSync(join(home, path)).isFile())
    .filter((path) => texts.some((text) => readFileSync(join(home, path)).includes(text)));
}

test("no file holds the name of a grant's directory", async () => {
  await using machine = await createHost();
  const socket = await addGrant(machine);
  const file = await addGrant(machine, "agent-f --config dev --deliver file --mount-at host");
  keysOf(machine, await runIn(socket, machine));
  const names = [socket, file].map((path) => basename(path));
  const { home } = machine.paths;
  expect(filesWith(home, names)).toEqual([]);
  const audit = join(home, "logs", "audit.jsonl");
  expect(readFileSync(audit, "utf8")).toContain(`${home}/g/agent-a/keyhole`);
  const hash = createHash("sha256").update(names[0]!).digest("hex");
  expect(readFileSync(join(home, "grants", "agent-a.yaml"), "utf8")).toContain(hash);
  await machine.keyhole("daemon restart");
  expect(filesWith(home, names)).toEqual([]);
  keysOf(machine, await runIn(socket, machine));
});

test("a place of grants that somebody opened is a problem, and is mended and told of by restart and grant add", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  const parent = join(machine.paths.home, "g");
  const isMended = () => (statSync(parent).mode & 0o777) === 0o311;
  const said = `keyhole: warning: ${parent} had mode 0755, by which the directories of grants could be found, and is mended`;
  const mending = ["daemon restart", "grant add agent-b --config dev"];
  for (const words of mending) {
    chmodSync(parent, 0o755);
    const found = await machine.run(["doctor"]);
    expect(found.exitCode).toBe(1);
    expect(found.stdout).toMatch(/^problem +places +.*\/g has mode 0755/m);
    expect(isMended()).toBe(false);
    const { stderr, exitCode } = await machine.run(words.split(" "));
    expect({ exitCode, isSaid: stderr.includes(said), isMended: isMended() }).toEqual({
      exitCode: 0,
      isSaid: true,
      isMended: true,
    });
    expect((await machine.run(["doctor"])).stdout).not.toContain("has mode");
  }
  keysOf(machine, await runIn(directory, machine));
});

/** elf.h: EM_X86_64 and EM_AARCH64. */
const MACHINES = { amd64: 0x3e, arm64: 0xb7 } as const;

/** e_machine of an ELF file. */
const machineOf = (path: string) => readFileSync(path).readUInt16LE(18);

test("a grant weighs kilobytes, and says so", async () => {
  await using machine = await createHost();
  const small = await addGrant(machine);
  expect(statSync(`${small}/keyhole`).size).toBeLessThan(32 * 1024);
  const others = await addGrant(machine, "agent-o --config dev --arch arm64");
  const own = await addGrant(machine, "agent-x --config dev --arch amd64");
  expect([machineOf(`${others}/keyhole`), machineOf(`${own}/keyhole`)]).toEqual([MACHINES.arm64, MACHINES.amd64]);
  const full = await machine.run("grant add agent-f --config dev --executable full".split(" "));
  expect(full.stderr).toMatch(/^the executable of agent-f (takes \d+\.\d MiB on|shares) the disk/m);
  const rows = (await machine.keyhole("grant list")).split("\n").map((row) => row.split(/ {2,}/));
  expect(rows[0]!.at(-1)).toBe("WEIGHT");
  expect(rows.find(([name]) => name === "agent-a")!.at(-1)).toMatch(/^\d{1,2} KiB$/);
  expect(JSON.parse(await machine.keyhole("grant list --json"))[0]).toMatchObject({ executable: "small" });
});

test("its executable is changed while it is used: no request fails, and a restarted daemon keeps it", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine);
  const refused = await runIn(directory, machine, ["whoami"]);
  expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
  const [fix] = /keyhole grant set .*/.exec(refused.stderr) ?? [""];
  const changed = new AbortController();
  const holder = (async () => {
    let answers = 0;
    for (; !changed.signal.aborted; answers += 1) keysOf(machine, await runIn(directory, machine));
    return answers;
  })();
  // The hint, as it is pasted on the host.
  await machine.keyhole(fix.replace(/^keyhole /, "").replace("NAME", "agent-a"));
  expect((await runIn(directory, machine, ["whoami"])).exitCode).toBe(0);
  for (const kind of ["small", "full", "small", "full"])
    await machine.keyhole(`grant set agent-a --executable ${kind}`);
  changed.abort();
  expect(await holder).toBeGreaterThan(0);
  await machine.keyhole("daemon restart");
  expect((await runIn(directory, machine, ["whoami"])).exitCode).toBe(0);
  expect(JSON.parse(await machine.keyhole("grant show agent-a --json"))).toMatchObject({ executable: "full" });
});

test("what one machine does not have is refused with 2, and changes nothing", async () => {
  await using machine = await createHost();
  await addGrant(machine);
  const other = process.arch === "arm64" ? "amd64" : "arm64";
  for (const words of [
    `grant add agent-b --config dev --executable full --arch ${other}`,
    "grant add agent-b --config dev --executable full --no-executable",
    `grant set agent-a --executable full --arch ${other}`,
    "grant set agent-a --executable none",
  ])
    expect(await machine.run(words.split(" "))).toMatchObject({ exitCode: 2, stdout: "" });
  expect(JSON.parse(await machine.keyhole("grant list --json"))).toMatchObject([
    { name: "agent-a", executable: "small" },
  ]);
});

test("a definition of a former version has the full executable, and one without it the words that both lanes know", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --mount-at host --executable full");
  const definition = `${machine.home}/.keyhole/grants/agent-a.yaml`;
  expect(readFileSync(definition, "utf8")).toContain("\nexecutable: true\n");
  await machine.keyhole("daemon restart");
  expect((await runIn(directory, machine, ["whoami"])).exitCode).toBe(0);
  const without = await addGrant(machine, "agent-n --config dev --mount-at host --no-executable");
  const [, line] = /credential_process = keyhole (.*)/.exec(readFileSync(`${without}/aws-config`, "utf8"))!;
  const small = await addGrant(machine, "agent-s --config dev");
  for (const program of [`${small}/keyhole`, `${directory}/keyhole`])
    keysOf(machine, await machine.run(line!.split(" "), { program, env: inside }));
});
