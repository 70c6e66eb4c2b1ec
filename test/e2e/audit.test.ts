// Who was given what, from outside: the lines, the command that reads them, and what joins them to CloudTrail. The ids are
// rows of the list of aivault's behaviours.
import { expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditRecord } from "../../src/audit/line.ts";
import type { Story } from "../../src/audit/story.ts";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";
import { type Canaries, leaksIn, secretKey } from "./canaries.ts";
import { asNobody, canBeOthers, giveHomeToOrdinary, isRoot, publicExecutable, startForeground } from "./daemons.ts";
import { createMachine, executable, isAlive, type Machine, roleArn, until } from "./machine.ts";

const fileOf = (machine: Machine) => join(machine.paths.home, "logs", "audit.jsonl");

/** From old to new. */
function linesOf(machine: Machine): AuditRecord[] {
  const text = existsSync(fileOf(machine)) ? readFileSync(fileOf(machine), "utf8") : "";
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AuditRecord);
}

const summaryOf = (lines: readonly AuditRecord[]) =>
  lines.map(({ kind, outcome, note, config }) => [kind, outcome, note ?? config].join(" "));

const answer = async (machine: Machine, command: string) =>
  JSON.parse(await machine.keyhole(`${command} --json`)) as AuditRecord[];

test("every decision is a line with time, kind, identity, key, peer and outcome (A-028, A-029)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  await machine.keyhole("export -n dev");
  await machine.keyhole("daemon remove -n dev");
  expect((await machine.run(["export", "-n", "none"])).exitCode).toBe(4);
  await machine.keyhole("daemon stop");
  const lines = linesOf(machine);
  expect(summaryOf(lines)).toEqual([
    "daemon ok started",
    "issue ok dev",
    "session ok added",
    "vend ok dev",
    "session ok removed",
    "session no-such-config none",
    "daemon ok ended",
  ]);
  const vend = lines.find(({ kind }) => kind === "vend")!;
  expect(vend).toMatchObject({ transport: "control", outcome: "ok", config: "dev", roleArn: roleArn("dev") });
  expect(vend.peer).toMatchObject({ uid: process.getuid!(), gid: process.getgid!(), executable });
  expect(vend.peer).not.toHaveProperty("exited");
  expect(new Date(vend.time).getTime()).toBe(vend.tsMs);
});

test("the program that ran keyhole is named beside it", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const shell = realpathSync("/bin/sh");
  await machine.keyhole("export -n dev");
  await machine.run(["export", "-n", "dev"], { under: ["/bin/sh", "-c", '"$@"; exit $?', "sh"] });
  await machine.keyhole("daemon stop");
  const peers = linesOf(machine).flatMap(({ kind, peer }) => (kind === "vend" ? [peer] : []));
  expect(peers).toMatchObject([
    { executable, parent: realpathSync(process.execPath) },
    { executable, parent: shell },
  ]);
  expect(await machine.keyhole("audit")).toContain(`${executable} run by ${shell}`);
});

const canMount = isRoot && Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).exitCode === 0;

test.skipIf(!canMount)("a program is not what a sandbox calls it", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const directory = (await machine.keyhole("grant add agent --config dev --mount-at host")).trim();
  const script = 'mount -t tmpfs tmpfs /mnt && cp "$0" /mnt/aws && exec /mnt/aws --socket-path "$1" export';
  const { exitCode } = await machine.run([], {
    under: ["unshare", "-m", "sh", "-c", script, executable, join(directory, "sock")],
  });
  expect(exitCode).toBe(0);
  // In another mount namespace, too, and yet what it is called.
  await machine.run([], { under: ["unshare", "-m"], program: join(directory, "keyhole") });
  const vends = linesOf(machine).filter(({ kind }) => kind === "vend");
  expect(vends.map(({ peer }) => peer?.executable)).toEqual([
    "in a sandbox: /mnt/aws",
    join(machine.paths.home, "g", "agent", "keyhole"),
  ]);
});

test("every key id is one that STS issued, under the session name that CloudTrail has (A-028)", async () => {
  await using machine = await createMachine();
  for (const name of ["dev", "prod"]) {
    await machine.addConfig(name);
    await machine.keyhole(`export -n ${name}`);
    await machine.keyhole(`daemon add -n ${name} --force`);
    await machine.keyhole(`export -n ${name}`);
  }
  const lines = linesOf(machine).filter(({ accessKeyId }) => accessKeyId !== undefined);
  expect(lines.filter(({ kind }) => kind === "vend")).toHaveLength(4);
  for (const { accessKeyId, roleArn: role, sessionName, expiresAt, kind } of lines) {
    const key = machine.sts.issued.get(accessKeyId!)!;
    expect(key.roleArn).toBe(role);
    expect(Date.parse(expiresAt!)).toBe(key.expiresAt!);
    if (kind !== "session") expect(key.arn).toEndWith(`/${sessionName}`);
  }
  // And none that STS issued is missing.
  const known = new Set(lines.filter(({ kind }) => kind === "issue").map(({ accessKeyId }) => accessKeyId));
  const temporary = [...machine.sts.issued.keys()].filter((id) => id.startsWith("ASIA"));
  expect(temporary.filter((id) => !known.has(id))).toEqual([]);
});

test("audit answers with an array, the newest first, in pages and across restarts (A-027)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  await machine.keyhole("daemon restart");
  await machine.keyhole("export -n dev");
  const all = await answer(machine, "audit");
  expect(all).toEqual(linesOf(machine).toReversed());
  expect(await answer(machine, "audit --limit 2")).toEqual(all.slice(0, 2));
  const moment = all[2]!.tsMs;
  expect(await answer(machine, `audit --before-ts-ms ${moment}`)).toEqual(all.filter(({ tsMs }) => tsMs < moment));
  const text = await machine.keyhole("audit");
  expect(text.trimEnd().split("\n")).toHaveLength(all.length + 1);
});

test("audit who leads from a key id to the process that was given it", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const sts = JSON.parse(await machine.keyhole("export -n dev -f credential-process")) as { AccessKeyId: string };
  await machine.keyhole("export -n dev -f credential-process");
  const story = JSON.parse(await machine.keyhole(`audit who ${sts.AccessKeyId} --json`)) as Record<string, unknown>;
  expect(story).toMatchObject({ config: "dev", roleArn: roleArn("dev") });
  // Two processes, each once.
  expect(story["givenTo"]).toMatchObject([
    { times: 1, peer: { executable } },
    { times: 1, peer: { executable } },
  ]);
  expect(await machine.keyhole(`audit who ${sts.AccessKeyId}`)).toContain(roleArn("dev"));
  expect(await machine.run(["audit", "who", "ASIAUNKNOWNUNKNOWN00"])).toMatchObject({ exitCode: 4, stdout: "" });
});

test("two grants on one role are told apart by their key ids, and their lives stay in the audit", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const keyOf = async (grant: string) => {
    await machine.keyhole(`grant add ${grant} --config dev`);
    const program = join((await machine.keyhole(`grant path ${grant}`)).trim(), "keyhole");
    const line = await machine.keyhole("export -f credential-process", { program });
    return { id: (JSON.parse(line) as { AccessKeyId: string }).AccessKeyId, program };
  };
  const keys = { a: await keyOf("agent-a"), b: await keyOf("agent-b") };
  const stories = await Promise.all(
    [keys.a, keys.b].map(async ({ id }) => JSON.parse(await machine.keyhole(`audit who ${id} --json`)) as Story),
  );
  expect(stories).toMatchObject([
    {
      grant: "agent-a",
      config: "dev",
      roleArn: roleArn("dev"),
      givenTo: [{ peer: { executable: join(machine.paths.home, "g", "agent-a", "keyhole") } }],
    },
    {
      grant: "agent-b",
      config: "dev",
      roleArn: roleArn("dev"),
      givenTo: [{ peer: { executable: join(machine.paths.home, "g", "agent-b", "keyhole") } }],
    },
  ]);
  expect(stories[0]!.sessionName).not.toBe(stories[1]!.sessionName);
  await machine.keyhole("grant revoke agent-a");
  await machine.keyhole("daemon restart");
  const lives = (await answer(machine, "audit --grant agent-a")).filter(({ kind }) => kind !== "issue");
  expect(lives.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual(["revoke ok", "vend ok", "grant ok"]);
});

test("no line holds a secret", async () => {
  await using machine = await createMachine();
  const canaries: Canaries = { key: secretKey(), token: `token/${secretKey()}` };
  const env = { AWS_CONTAINER_AUTHORIZATION_TOKEN: canaries["token"]! };
  await machine.addConfig("dev");
  await machine.keyhole("export -n dev", { env });
  machine.sts.faults.add({ fail: { code: "AccessDenied", message: canaries["key"]!, status: 403 } });
  await machine.addConfig("refused");
  await machine.run(["export", "-n", "refused"], { env });
  const text = readFileSync(fileOf(machine), "utf8");
  const issued = [...machine.sts.issued.values()].flatMap(({ secretAccessKey, sessionToken }, index) => [
    [`secret ${index}`, secretAccessKey],
    ...(sessionToken === undefined ? [] : [[`token ${index}`, sessionToken]]),
  ]);
  expect(issued.length).toBeGreaterThan(2);
  expect(leaksIn(text, { ...canaries, ...(Object.fromEntries(issued) as Canaries) })).toEqual([]);
});

/** Connects, hands the connection to a shell, and ends; the shell asks when its parent is gone. */
const PASSES_ON = `
  const socket = await Bun.connect({ unix: process.env.SOCKET, socket: { data() {} } });
  const script = 'while kill -0 "$PARENT" 2>/dev/null; do sleep 0.01; done; cat "$REQUEST" >&3; head -c 9 <&3 >/dev/null';
  const env = { ...process.env, PARENT: String(process.pid) };
  Bun.spawn(["/bin/sh", "-c", script], { env, stdio: ["ignore", "ignore", "ignore", socket.fd] }).unref();
  process.exit(0);`;

test("a connection that was passed on is marked, and no other program is named", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n dev");
  const request = join(machine.home, "request");
  writeFileSync(request, encodeFrame(messages.Vend.number, encode(messages.Vend.request, { config: "dev" })));
  const env = { ...machine.environment, SOCKET: machine.paths.socket, REQUEST: request };
  const client = Bun.spawn([process.execPath, "-e", PASSES_ON], { env, stdout: "ignore", stderr: "inherit" });
  await client.exited;
  const vends = () => linesOf(machine).filter(({ kind }) => kind === "vend");
  await until(() => vends().length > 0);
  expect(vends()).toHaveLength(1);
  const { peer } = vends()[0]!;
  expect(peer).toMatchObject({ uid: process.getuid!(), pid: client.pid, exited: true });
  // Nobody looked at its program before it ended, unless the kernel is an old one.
  expect(peer?.executable ?? "/bun").toMatch(/\/bun(-[a-z0-9]+)?(\.exe)?$/);
});

test("audit --follow shows what comes, and ends with its reader", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  const child = machine.spawn(["audit", "--follow", "--json", "--limit", "1"]);
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const arrives = async (line: string) => {
    while (!text.includes(line)) text += decoder.decode((await reader.read()).value, { stream: true });
  };
  await arrives('"kind":"vend"');
  await machine.keyhole("daemon remove -n dev");
  await arrives('"note":"removed"');
  await reader.cancel();
  await machine.keyhole("daemon stop");
  expect(await child.exited).toBe(141);
});

test("with KEYHOLE_DISABLE_DISK_LOGS=1 nothing is written, and audit says so (A-031)", async () => {
  await using machine = await createMachine();
  const env = { KEYHOLE_DISABLE_DISK_LOGS: "1" };
  await machine.addConfig("dev");
  await machine.keyhole("export -n dev", { env });
  expect(existsSync(join(machine.paths.home, "logs"))).toBe(false);
  for (const options of [{ env }, {}]) {
    const { stderr, exitCode } = await machine.run(["audit"], options);
    expect(stderr).toContain("nothing is written down");
    expect(exitCode).toBe(0);
  }
  expect(await machine.run(["audit"], { env: { KEYHOLE_DISABLE_DISK_LOGS: "maybe" } })).toMatchObject({ exitCode: 2 });
});

test.skipIf(!canBeOthers)("another user's program is not named, and a stranger's refusal is written down", async () => {
  await using machine = await createMachine();
  using copy = publicExecutable();
  giveHomeToOrdinary(machine);
  const ordinary = { under: asNobody, program: copy.path };
  await machine.run(machine.adding("dev"), ordinary);
  await startForeground(machine, ordinary);
  // Root may ask, and its executable is not for nobody to see.
  await machine.keyhole("export -n dev");
  const vend = linesOf(machine).find(({ kind }) => kind === "vend")!;
  expect(vend.peer).toMatchObject({ uid: 0 });
  expect(vend.peer).not.toHaveProperty("executable");
  // Whoever opens the way to its socket lets a stranger as far as the refusal.
  for (const path of [machine.home, machine.paths.home, join(machine.paths.home, "sock")]) chmodSync(path, 0o755);
  chmodSync(machine.paths.socket, 0o666);
  const stranger = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"];
  const refused = await machine.run(["export", "-n", "dev"], { under: stranger, program: copy.path, cwd: "/" });
  expect(refused.exitCode).not.toBe(0);
  await until(() => linesOf(machine).some(({ outcome }) => outcome === "forbidden"));
  expect(linesOf(machine).find(({ outcome }) => outcome === "forbidden")!.peer).toMatchObject({ uid: 65_533 });
});

test.skipIf(!isRoot)("connections leave no descriptor behind, however many there were", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  const pid = machine.daemonPid()!;
  const count = () => readdirSync(`/proc/${pid}/fd`).length;
  const connections = async () =>
    (JSON.parse(await machine.keyhole("daemon status --json")) as { connections: number }).connections;
  await until(async () => (await connections()) === 1);
  const before = count();
  const request = encodeFrame(messages.Vend.number, encode(messages.Vend.request, { config: "dev" }));
  for (let times = 0; times < 300; times++) {
    const answered = Promise.withResolvers<void>();
    const socket = await Bun.connect({ unix: machine.paths.socket, socket: { data: () => answered.resolve() } });
    socket.write(request);
    await answered.promise;
    socket.end();
  }
  await until(async () => (await connections()) === 1);
  await until(() => count() <= before);
  expect(isAlive(pid)).toBe(true);
});
