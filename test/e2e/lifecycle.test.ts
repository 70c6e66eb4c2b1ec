// The daemon's life: start, second start, signals, crashes, ends.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { startForeground } from "./daemons.ts";
import { createMachine, executable, isAlive, type Machine, until } from "./machine.ts";

const modeOf = (path: string) => fs.lstatSync(path).mode & 0o777;

test("start makes a detached daemon, private files, and says where they are", async () => {
  await using machine = await createMachine();
  const { stdout, stderr, exitCode } = await machine.run(["daemon", "start"], { env: { AWS_PROFILE: "someone" } });
  expect(stdout).toBe("");
  expect(stderr).toContain(machine.paths.socket);
  expect(stderr).toContain(machine.paths.log);
  expect(exitCode).toBe(0);

  const pid = machine.daemonPid()!;
  expect(modeOf(machine.paths.home)).toBe(0o700);
  expect(modeOf(join(machine.paths.home, "sock"))).toBe(0o700);
  expect(modeOf(machine.paths.socket)).toBe(0o600);
  expect(modeOf(machine.paths.lock)).toBe(0o600);
  expect(modeOf(machine.paths.log)).toBe(0o600);
  expect(fs.readdirSync(join(machine.paths.home, "sock")).toSorted()).toEqual(["daemon.lock", "daemon.sock"]);

  // Root may look where the daemon's own user may not.
  if (process.getuid?.() === 0) {
    expect(fs.readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    const environment = fs.readFileSync(`/proc/${pid}/environ`, "utf8");
    expect(environment).not.toContain("AWS_");
    expect(environment).toContain(`HOME=${machine.home}`);
  }
  const [, session] = /^\d+ \(.*\) \S \d+ \d+ (\d+)/s.exec(fs.readFileSync(`/proc/${pid}/stat`, "latin1"))!;
  expect(Number(session)).toBe(pid);
});

test("start, where one runs already, says so and succeeds", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const pid = machine.daemonPid();
  const { stderr, exitCode } = await machine.run(["daemon", "start"]);
  expect(stderr).toContain(`already running (pid ${pid})`);
  expect(exitCode).toBe(0);
  expect(machine.daemonPid()).toBe(pid);
});

test("twelve starts at once leave one daemon, and none of them fails", async () => {
  await using machine = await createMachine();
  const results = await Promise.all(Array.from({ length: 12 }, () => machine.run(["daemon", "start"])));
  const pid = machine.daemonPid();
  expect(results.map(({ exitCode }) => exitCode)).toEqual(Array.from({ length: 12 }, () => 0));
  for (const { stderr } of results) expect(stderr).toContain(`(pid ${pid})`);
  const started = machine.log().filter(({ event }) => event === "daemon started");
  expect(started.length).toBe(1);
});

test("a second daemon in the foreground names the first and leaves it alone", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const { stderr, exitCode } = await machine.run(["--daemon"]);
  expect(stderr).toContain(`keyhole: error: a daemon is already running (pid ${machine.daemonPid()})`);
  expect(exitCode).toBe(1);
  await machine.keyhole("daemon status");
});

test("--daemon --help says what it is, and starts nothing", async () => {
  await using machine = await createMachine();
  expect(await machine.keyhole("--daemon --help")).toContain("in the foreground");
  expect(fs.existsSync(machine.paths.home)).toBe(false);
});

test("stop ends the daemon and removes its socket; a second stop has nothing to do (A-039)", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const pid = machine.daemonPid()!;
  await machine.keyhole("daemon stop");
  expect(isAlive(pid)).toBe(false);
  expect(fs.existsSync(machine.paths.socket)).toBe(false);
  const { exitCode } = await machine.run(["daemon", "stop"]);
  expect(exitCode).toBe(0);
});

test("kill is stop", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const pid = machine.daemonPid()!;
  await machine.keyhole("daemon kill");
  expect(isAlive(pid)).toBe(false);
});

test("restart is another process with the sessions of before", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n dev");
  const before = machine.daemonPid();
  await machine.keyhole("daemon restart");
  expect(machine.daemonPid()).not.toBe(before);
  expect(await machine.keyhole("daemon list")).toBe("dev\n");
});

test.each([
  ["status", ["daemon", "status"]],
  ["list", ["daemon", "list"]],
  ["export", ["export", "-n", "dev"]],
  ["whoami", ["whoami", "-n", "dev"]],
  ["add", ["daemon", "add", "-n", "dev"]],
])("without a daemon, and without auto-start, %s exits 3 and says what to do", async (_, words) => {
  await using machine = await createMachine({ configs: ["dev"] });
  const { stdout, stderr, exitCode } = await machine.run(words, { env: { KEYHOLE_AUTOSTART: "0" } });
  expect(stderr).toContain("keyhole: hint: keyhole daemon start");
  expect(stdout + stderr).toContain(machine.paths.socket);
  expect(exitCode).toBe(3);
});

test.each(["SIGTERM", "SIGINT"] as const)("%s ends the daemon cleanly", async (signal) => {
  await using machine = await createMachine();
  const child = await startForeground(machine);
  child.kill(signal);
  expect(await child.exited).toBe(0);
  expect(fs.existsSync(machine.paths.socket)).toBe(false);
  expect(machine.log().at(-1)!["event"]).toBe("daemon ended");
});

test("SIGTERM lets an answer under way arrive", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const daemon = await startForeground(machine);
  machine.sts.faults.add({ action: "AssumeRole", delay: 700 });
  const exported = machine.run(["export", "-f", "credential-process", "-n", "dev"]);
  await machine.sts.until(() => machine.sts.count("AssumeRole") === 1);
  daemon.kill("SIGTERM");
  const { stdout, exitCode } = await exported;
  // The client asks twice: Add brings the credentials, and the Vend behind it meets a daemon that takes no more. The
  // client then starts another.
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toHaveProperty("SessionToken");
  expect(await daemon.exited).toBe(0);
});

test("SIGTERM does not wait for an STS that hangs longer than its patience", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const daemon = await startForeground(machine);
  machine.sts.faults.add({ action: "AssumeRole", hang: true });
  const exported = machine.run(["export", "-n", "dev"], { env: { KEYHOLE_AUTOSTART: "0" } });
  await machine.sts.until(() => machine.sts.count("AssumeRole") === 1);
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
  expect((await exported).exitCode).toBe(3);
});

test("SIGHUP opens the log anew (E-156)", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  fs.renameSync(machine.paths.log, `${machine.paths.log}.moved`);
  process.kill(machine.daemonPid()!, "SIGHUP");
  await until(() => fs.existsSync(machine.paths.log));
  await machine.run(["export", "-n", "none"]);
  expect(fs.readFileSync(machine.paths.log, "utf8")).toContain("request failed");
});

test.each(["SIGUSR1", "SIGUSR2"] as const)("%s, which other daemons take for a command, is none", async (signal) => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const pid = machine.daemonPid()!;
  process.kill(pid, signal);
  // Each is answered after the signal was.
  for (let times = 0; times < 3; times++) await machine.keyhole("daemon status");
  expect(machine.daemonPid()).toBe(pid);
});

test("fifty rounds of kill -9 and start, without a hand (E-150, E-153)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  for (let round = 0; round < 50; round++) {
    await machine.keyhole("daemon start");
    await machine.keyhole("export -f credential-process -n dev");
    const pid = machine.daemonPid()!;
    process.kill(pid, "SIGKILL");
    await until(() => !isAlive(pid));
    expect(fs.existsSync(machine.paths.socket)).toBe(true);
  }
  expect(machine.sts.count("AssumeRole")).toBe(50);
  expect(fs.readdirSync(join(machine.paths.home, "sock")).toSorted()).toEqual(["daemon.lock", "daemon.sock"]);
}, 120_000);

test("a daemon that ends removes its own socket, not another daemon's", async () => {
  await using machine = await createMachine();
  const first = await startForeground(machine);
  // What an administrator's clean-up may do to a running daemon.
  fs.renameSync(join(machine.paths.home, "sock"), join(machine.paths.home, "moved"));
  const second = await startForeground(machine);
  first.kill("SIGTERM");
  await first.exited;
  await machine.keyhole("daemon status");
  second.kill("SIGTERM");
  expect(await second.exited).toBe(0);
});

test("with umask 0 nothing is open to others", async () => {
  await using machine = await createMachine();
  const previous = process.umask(0);
  try {
    await machine.keyhole("daemon start");
    await machine.addConfig("dev");
  } finally {
    process.umask(previous);
  }
  await machine.keyhole("daemon add -n dev");
  await machine.keyhole("exec --refresh -n dev -- true");
  const everything = fs.readdirSync(machine.paths.home, { recursive: true, encoding: "utf8" });
  expect(everything.length).toBeGreaterThan(5);
  for (const name of everything) expect([name, modeOf(join(machine.paths.home, name)) & 0o077]).toEqual([name, 0]);
});

test.each<[string, (machine: Machine) => string[] | void, string, number]>([
  [
    "a socket directory that others can write to",
    ({ paths }) => {
      fs.mkdirSync(join(paths.home, "sock"), { recursive: true });
      fs.chmodSync(join(paths.home, "sock"), 0o777);
    },
    "can be written by others",
    1,
  ],
  [
    "a socket directory that is a link",
    ({ home, paths }) => {
      fs.mkdirSync(paths.home);
      fs.symlinkSync(join(home, "work"), join(paths.home, "sock"));
    },
    "is a link or a file",
    1,
  ],
  [
    "a file where the socket should be",
    ({ paths }) => {
      fs.mkdirSync(join(paths.home, "sock"), { recursive: true, mode: 0o700 });
      fs.writeFileSync(paths.socket, "precious");
    },
    "occupied by a file that is not a socket",
    1,
  ],
  [
    "a log that is a directory",
    ({ paths }) => {
      fs.mkdirSync(paths.log, { recursive: true, mode: 0o700 });
    },
    "cannot open the log file",
    1,
  ],
  ["a socket path that is too long", ({ home }) => ["--socket-path", join(home, "s".repeat(120))], "is too long", 2],
  ["a bad option", () => ["--max-daemon-cache-size", "0"], "--max-daemon-cache-size must be a whole number", 2],
])("start shows the daemon's own error at once: %s", async (_, prepare, message, status) => {
  await using machine = await createMachine();
  const options = prepare(machine) ?? [];
  const { stdout, stderr, exitCode } = await machine.run([...options, "daemon", "start"]);
  expect(stderr).toContain(`keyhole: error: `);
  expect(stderr).toContain(message);
  expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
  expect(stdout).toBe("");
  expect(exitCode).toBe(status);
  if (fs.existsSync(machine.paths.socket)) expect(fs.readFileSync(machine.paths.socket, "utf8")).toBe("precious");
});

test("a home on a path of 200 bytes works", async () => {
  await using machine = await createMachine();
  const env = { KEYHOLE_HOME: join(machine.home, "h".repeat(100), "h".repeat(100)) };
  await machine.keyhole("daemon start", { env });
  const status = JSON.parse(await machine.keyhole("daemon status --json", { env })) as { socket: string };
  expect(status.socket.length).toBeGreaterThan(200);
  await machine.keyhole("daemon stop", { env });
});

test("two daemons with two sockets live side by side", async () => {
  await using machine = await createMachine();
  const other = join(machine.home, "other", "b.sock");
  await machine.keyhole("daemon start");
  await machine.keyhole(`-sp ${other} daemon start`);
  expect(fs.statSync(other).isSocket()).toBe(true);
  expect(fs.existsSync(join(machine.home, "other", "b.lock"))).toBe(true);
  await machine.keyhole(`-sp ${other} daemon stop`);
  await machine.keyhole("daemon status");
});

test("the log is shown from its end, from its start, as JSON, and a level and above", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  for (const name of ["one", "two", "three"]) await machine.run(["export", "-n", name]);
  expect((await machine.keyhole("daemon logs -t 1")).split("\n").length).toBe(2);
  expect(await machine.keyhole("daemon logs --head 1")).toContain("daemon started");
  const lines = (await machine.keyhole("daemon logs --json -t 0")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(machine.log());
  expect(await machine.keyhole("daemon logs --level error")).toBe("");
});

test("the executable under test is the compiled one", () => {
  expect(fs.readFileSync(executable).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
});
