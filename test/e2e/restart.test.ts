// One daemon after another: what clients notice of it (nothing), what is remembered, and what two releases say.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { Connection } from "../../src/client/connection.ts";
import { askPatiently, type Link } from "../../src/client/asking.ts";
import { succeed } from "../../src/daemon/lock.ts";
import { loadNative } from "../../src/native/load.ts";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";
import { environmentWithFile, moveKeysToFile } from "./keyfile.ts";
import { createMachine, isAlive, type Machine, roleArn, until } from "./machine.ts";

const ROUNDS = 100;
const EXPORT = ["export", "-f", "credential-process", "-n", "dev"];

/** Every file below the machine's home that a daemon may have left, except what rotates and what people wrote. */
function filesOf({ paths }: Machine): string[] {
  return ["sock", "run", "logs", "grants", "g"].flatMap((name) => {
    const directory = join(paths.home, name);
    return fs.existsSync(directory) ? fs.readdirSync(directory).map((file) => `${name}/${file}`) : [];
  });
}

function descriptorsOf(pid: number): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length;
}

/** Asks over one connection, and over the next one where that one ends. */
function keepConnection({ paths }: Machine): Link["request"] {
  let connection: Connection | undefined;
  const patience = { deadlineMs: 20_000, isRepeatable: true, holder: () => Promise.resolve(1) };
  const open = async (timeoutMs: number): Promise<Link> => {
    const current = (connection ??= await Connection.open(paths.socket, { timeoutMs, refusedPatienceMs: 0 }));
    return {
      request: (name, body) => current.request(name, body),
      identify: (ask) => current.identify(ask),
      close: () => {},
    };
  };
  return (name, body) =>
    askPatiently(
      open,
      async (link) => {
        try {
          return await link.request(name, body);
        } catch (error) {
          connection?.close();
          connection = undefined;
          throw error;
        }
      },
      patience,
    );
}

test("100 restarts under clients that ask every 10 ms: no request fails, and nothing is left behind", async () => {
  await using machine = await createMachine();
  moveKeysToFile(machine);
  await machine.addConfig("dev");
  await machine.keyhole("daemon start");
  await machine.keyhole("export -n dev");
  await machine.keyhole("daemon restart");
  await machine.keyhole("export -n dev");
  const files = filesOf(machine);
  const before = process.getuid?.() === 0 ? descriptorsOf(machine.daemonPid()!) : 0;

  const failures: unknown[] = [];
  const asked = { processes: 0, requests: 0 };
  const over = new AbortController();
  const kept = keepConnection(machine);

  async function repeat(ask: () => Promise<unknown>, counts: keyof typeof asked): Promise<void> {
    while (!over.signal.aborted) {
      try {
        const answer = await ask();
        if (!String(answer).includes("SessionToken")) failures.push(answer);
      } catch (error) {
        failures.push(error);
      }
      asked[counts] += 1;
      await Bun.sleep(10);
    }
  }

  const clients = [
    // A process for each question, as SDKs ask, and one connection for as long as it holds.
    repeat(async () => machine.keyhole(EXPORT.join(" ")), "processes"),
    repeat(async () => new TextDecoder().decode((await kept("Vend", { config: "dev" })).line), "requests"),
  ];
  const began = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    const result = await machine.run(["daemon", "restart"]);
    if (result.exitCode !== 0 || !result.stderr.includes("sessions: 1 of 1 came back")) failures.push(result);
  }
  const each = (performance.now() - began) / ROUNDS;
  over.abort();
  await Promise.all(clients);

  expect(failures).toEqual([]);
  // Each daemon has to assume the role again, so that a question may outlast a round.
  expect(asked.processes).toBeGreaterThan(ROUNDS / 4);
  expect(asked.requests).toBeGreaterThan(ROUNDS / 4);
  await until(() => machine.log().filter(({ event }) => event === "daemon ended").length >= ROUNDS + 1);
  expect(filesOf(machine)).toEqual(files);
  // A connection may be closing just now.
  if (before > 0) await until(() => descriptorsOf(machine.daemonPid()!) <= before);
  console.log(`a restart took ${each.toFixed(0)} ms; ${asked.processes} processes, ${asked.requests} requests`);
}, 120_000);

test("a restart whose next daemon cannot begin leaves the one that runs as it was", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const first = await machine.keyhole(EXPORT.join(" "));
  const pid = machine.daemonPid()!;
  // Opened behind the lock: until then the other daemon has the log.
  const taken = join(machine.home, "log");
  fs.mkdirSync(taken);
  const { exitCode, stderr } = await machine.run(["daemon", "restart", "--logging-path", taken]);
  expect([exitCode, stderr]).toEqual([
    1,
    `keyhole: error: the daemon (pid ${pid}) goes on, because another cannot begin: cannot open the log file ${taken} (EISDIR)\n` +
      `keyhole: hint: ls -ld ${taken}\n`,
  ]);
  expect(machine.daemonPid()).toBe(pid);
  // Its keys, which only the environment of whoever asked first had, among them.
  expect(await machine.keyhole(EXPORT.join(" "), { env: { AWS_ACCESS_KEY_ID: undefined } })).toBe(first);
  expect(machine.sts.count("AssumeRole")).toBe(1);
  expect(machine.log().map(({ event }) => event)).toContain("the next daemon did not begin: this one goes on");
  await machine.keyhole("daemon restart");
  await machine.keyhole("daemon stop");
});

test("one whose next daemon hangs and is killed goes on, and its clients wait for it", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const first = await machine.keyhole(EXPORT.join(" "));
  const pid = machine.daemonPid()!;
  // As a daemon does that is to replace another.
  const hanging = succeed(machine.paths.lock, loadNative(), () => {});
  const stopping = machine.run(["daemon", "stop"]);
  const { lock, complete } = await hanging;
  expect(fs.existsSync(machine.paths.socket)).toBe(false);
  const waiting = machine.keyhole(EXPORT.join(" "));
  const early = await Promise.race([waiting, Bun.sleep(300).then(() => "waits")]);
  expect([early, isAlive(pid)]).toEqual(["waits", true]);
  lock.release();
  complete();
  expect(await waiting).toBe(first);
  expect(machine.daemonPid()).toBe(pid);
  await machine.keyhole("daemon stop");
  await stopping;
});

test("a client that finds nobody while a daemon ends waits for it, and starts no other meanwhile", async () => {
  await using machine = await createMachine({ configs: ["dev", "slow"] });
  await machine.keyhole("daemon start");
  const first = machine.daemonPid()!;
  machine.sts.faults.add({ action: "AssumeRole", roleArn: roleArn("slow"), delay: 600 });
  const slow = machine.run(["export", "-n", "slow"]);
  await machine.sts.until(() => machine.sts.count("AssumeRole") === 1);
  process.kill(first, "SIGTERM");
  await until(() => !fs.existsSync(machine.paths.socket));
  // The lock is held until the answer is out.
  const { exitCode } = await machine.run(EXPORT);
  expect([exitCode, isAlive(first), (await slow).exitCode]).toEqual([0, false, 0]);
  expect(machine.log().filter(({ event }) => event === "daemon started")).toHaveLength(2);
});

test("what was added comes back after a stop, a crash and a restart, with its source, and is assumed when asked for", async () => {
  await using machine = await createMachine();
  const env = environmentWithFile(machine);
  const bare = { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } };
  for (const name of ["one", "two", "gone"]) await machine.addConfig(name);
  for (const name of ["one", "two", "gone"]) await machine.keyhole(`daemon add -n ${name}`, { env });
  await machine.keyhole("daemon remove -n gone");
  const memory = join(machine.paths.home, "run", "sessions.json");
  const remembered = () => (JSON.parse(fs.readFileSync(memory, "utf8")) as { sessions: { config: string }[] }).sessions;
  const names = () => (fs.existsSync(memory) ? remembered().map(({ config }) => config) : []);
  await until(() => Bun.deepEquals(names(), ["one", "two"]));
  const calls = machine.sts.count("AssumeRole");

  for (const end of ["stop", "crash", "restart"]) {
    const pid = machine.daemonPid()!;
    if (end === "stop") await machine.keyhole("daemon stop");
    if (end === "crash") {
      process.kill(pid, "SIGKILL");
      await until(() => !isAlive(pid));
    }
    // An environment that selects nothing: what counts is that of whoever added the sessions.
    await machine.keyhole(end === "restart" ? "daemon restart" : "daemon start", bare);
    expect(await machine.keyhole("daemon list")).toBe("one\ntwo\n");
    expect(machine.sts.count("AssumeRole")).toBe(calls);
  }
  expect(JSON.parse(await machine.keyhole("export -f credential-process -n one", bare))).toHaveProperty("SessionToken");
  expect(machine.sts.count("AssumeRole")).toBe(calls + 1);
  expect(fs.statSync(memory).mode & 0o777).toBe(0o600);
  expect(fs.readFileSync(memory, "utf8")).not.toContain(machine.sts.root.secretAccessKey);
});

test("a restart keeps the shared socket, and ends no daemon where the next one could not serve it", async () => {
  await using machine = await createMachine();
  const directory = join(machine.home, "shared");
  fs.mkdirSync(directory);
  // Not root's; whoever else runs this test has another one already.
  if (process.getuid!() === 0) fs.chownSync(directory, 0, 1);
  fs.chmodSync(directory, 0o2750);
  const env = { KEYHOLE_SHARED_SOCKET: join(directory, "k.sock") };
  const daemon = machine.spawn(["--daemon", "--shared"], { env });
  await daemon.stdout.getReader().read();
  await machine.keyhole("daemon restart");
  await daemon.exited;
  const pid = machine.daemonPid();
  expect(fs.statSync(join(directory, "k.sock")).isSocket()).toBe(true);
  fs.chmodSync(directory, 0o2770);
  const { exitCode, stderr } = await machine.run(["daemon", "restart"]);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`${directory} can be written by others`)]);
  expect(machine.daemonPid()).toBe(pid);
});

test("a session whose source was keys in the environment waits for them, and none of them is on the disk", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  await machine.keyhole("daemon stop");
  const bare = { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } };
  await machine.keyhole("daemon start", bare);
  expect(await machine.keyhole("daemon list", bare)).toBe("");
  await machine.keyhole("daemon stop", bare);
  await machine.keyhole("daemon start");
  expect(await machine.keyhole("daemon list", bare)).toBe("dev\n");
  for (const name of fs.readdirSync(join(machine.paths.home, "run"))) {
    expect(fs.readFileSync(join(machine.paths.home, "run", name), "utf8")).not.toContain(
      machine.sts.root.secretAccessKey,
    );
  }
});

test("a memory that is damaged is left out, said in the log, and written anew", async () => {
  await using machine = await createMachine();
  const env = environmentWithFile(machine);
  await machine.addConfig("dev");
  await machine.keyhole("daemon add -n dev", { env });
  await machine.keyhole("daemon stop");
  const memory = join(machine.paths.home, "run", "sessions.json");
  fs.writeFileSync(memory, "{", { mode: 0o600 });
  await machine.keyhole("daemon start");
  expect(await machine.keyhole("daemon list")).toBe("");
  expect(machine.log().map(({ event }) => event)).toContain("memory of sessions not used");
  await machine.keyhole("daemon add -n dev", { env });
  await machine.keyhole("daemon stop");
  expect(fs.readFileSync(memory, "utf8")).toContain('"dev"');
});

/** A daemon of another release, as far as its answers say, at the machine's socket. */
function pretend(machine: Machine, answer: () => Uint8Array) {
  return Bun.listen({ unix: machine.paths.socket, socket: { data: (socket) => void socket.write(answer()) } });
}

test("a daemon of another release that speaks the same protocol works, and is pointed out", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon stop");
  const hello = encode(messages.Hello.response, { version: "9.9.9", pid: process.pid });
  const other = pretend(machine, () => encodeFrame(messages.Hello.number, hello));
  const { stderr, exitCode } = await machine.run(["daemon", "start"]);
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`already running (pid ${process.pid})`)]);
  other.stop(true);
});

test.each([
  [2, "update keyhole"],
  [0, "keyhole daemon restart"],
])("a daemon that speaks version %d of the protocol is one sentence and one remedy: %s", async (version, hint) => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon stop");
  const other = pretend(machine, () => encodeFrame(messages.Vend.number, new Uint8Array(3), version));
  const { stdout, stderr, exitCode } = await machine.run(EXPORT, { env: { KEYHOLE_SOCKET: machine.paths.socket } });
  expect([stdout, exitCode]).toEqual(["", 1]);
  expect(stderr).toStartWith(`keyhole: error: the daemon speaks protocol version ${version}, this keyhole 1\n`);
  expect(stderr).toContain(`keyhole: hint: ${hint}`);
  other.stop(true);
});

test("status waits for a daemon that is about to start, and gives up in time", async () => {
  await using machine = await createMachine();
  const waiting = machine.run(["daemon", "status", "--wait", "20", "--json"]);
  await machine.keyhole("daemon start");
  const { stdout, exitCode } = await waiting;
  expect(JSON.parse(stdout)).toMatchObject({ running: true, pid: machine.daemonPid(), sessions: [], grants: [] });
  expect(exitCode).toBe(0);
  await machine.keyhole("daemon stop");
  expect((await machine.run(["daemon", "status", "--wait", "0.1"])).exitCode).toBe(3);
});

test("SIGHUP reads the grants anew and opens the log anew, and the daemon lives on", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  const pid = machine.daemonPid()!;
  for (let times = 0; times < 20; times++) process.kill(pid, "SIGHUP");
  await machine.keyhole("export -n dev");
  expect(machine.daemonPid()).toBe(pid);
});

test("a log that SIGHUP cannot open keeps nothing else from being opened anew, and the old one goes on", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  const { log } = machine.paths;
  const audit = join(dirname(log), "audit.jsonl");
  for (const file of [log, audit]) fs.renameSync(file, `${file}.moved`);
  fs.symlinkSync("/dev/null", log);
  process.kill(machine.daemonPid()!, "SIGHUP");
  await until(() => fs.existsSync(audit));
  await until(() => fs.readFileSync(`${log}.moved`, "utf8").includes('"event":"not reloaded","part":"log"'));
  await machine.keyhole("export -n dev");
});
