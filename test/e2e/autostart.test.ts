// The daemon that nobody thinks about: whoever needs it starts it. The ids are of rows in interop/peers.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { asNobody, canBeOthers, publicExecutable, startForeground } from "./daemons.ts";
import { environmentWithFile } from "./keyfile.ts";
import { createMachine, isAlive, type Machine, until } from "./machine.ts";

const EXPORT = ["export", "-f", "credential-process", "-n", "dev"];

const starts = (machine: Machine) => machine.log().filter(({ event }) => event === "daemon started").length;

const hasEnded = (machine: Machine) => () => machine.daemonPid() === undefined;

test("twenty exports at once, with no daemon: all succeed, one daemon runs, one AssumeRole was made (A-010)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const results = await Promise.all(Array.from({ length: 20 }, () => machine.run(EXPORT)));
  expect(results.map(({ stderr }) => stderr).filter((text) => text !== "")).toEqual([]);
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
  expect(JSON.parse(results[0]!.stdout)).toHaveProperty("SessionToken");
  expect(starts(machine)).toBe(1);
  expect(machine.sts.count("AssumeRole")).toBe(1);
  // And it is the one that answers whoever comes next.
  const pid = machine.daemonPid();
  await machine.keyhole("export -n dev");
  expect([machine.daemonPid(), machine.sts.count("AssumeRole")]).toEqual([pid, 1]);
});

test.each([
  ["export", ["export", "-n", "dev"]],
  ["exec", ["exec", "-n", "dev", "--", "sh", "-c", 'test -n "$AWS_SESSION_TOKEN"']],
  ["exec --refresh", ["exec", "--refresh", "-n", "dev", "--", "true"]],
  ["shell", ["shell", "-n", "dev"]],
  ["whoami", ["whoami", "-n", "dev"]],
  ["daemon add", ["daemon", "add", "-n", "dev"]],
  ["grant list", ["grant", "list"]],
])("%s starts the daemon that it needs", async (_, words) => {
  await using machine = await createMachine({ configs: ["dev"] });
  const { stderr, exitCode } = await machine.run(words, { env: { SHELL: "/bin/true" } });
  expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining("keyhole: error")]);
  expect(machine.daemonPid()).toBeNumber();
});

test.each([["daemon status"], ["daemon list"], ["daemon stop"], ["daemon kill"], ["daemon logs"], ["config list"]])(
  "%s starts none",
  async (command) => {
    await using machine = await createMachine();
    await machine.run(command.split(" "));
    expect(fs.existsSync(machine.paths.lock)).toBe(false);
  },
);

test("the daemon is started with the settings of the command line", async () => {
  await using machine = await createMachine();
  const configs = join(machine.home, "other");
  const socket = join(machine.home, "place", "k.sock");
  await machine.keyhole(`-cd ${configs} ${machine.adding("dev").join(" ")}`);
  const options = `-cd ${configs} -sp ${socket} -lp ${machine.home}/l/d.log -mdcs 7`;
  await machine.keyhole(`${options} export -n dev`);
  const status = JSON.parse(await machine.keyhole(`-sp ${socket} daemon status --json`)) as Record<string, unknown>;
  expect(status).toMatchObject({ socket, configDir: configs, log: `${machine.home}/l/d.log`, maxSessions: 7 });
  await machine.keyhole(`-sp ${socket} daemon stop`);
});

test("the daemon's environment has none of the requester's AWS_*, which select the source all the same", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const env = environmentWithFile(machine);
  await machine.keyhole("export -n dev", { env });
  const [session] = JSON.parse(await machine.keyhole("daemon list --json")) as [{ source: string }];
  expect(session.source).toContain("mine");
  // Root may look where the daemon's own user may not.
  if (process.getuid?.() === 0) {
    const environment = fs.readFileSync(`/proc/${machine.daemonPid()}/environ`, "utf8");
    expect(environment).not.toContain("AWS_");
  }
});

test("KEYHOLE_AUTOSTART=0 starts nothing, and says so (A-011)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const { stdout, stderr, exitCode } = await machine.run(EXPORT, { env: { KEYHOLE_AUTOSTART: "0" } });
  expect([stdout, exitCode]).toEqual(["", 3]);
  expect(stderr).toBe(
    `keyhole: error: no daemon answers at ${machine.paths.socket} (autostart is off)\n` +
      "keyhole: hint: keyhole daemon start\n",
  );
  expect(fs.existsSync(machine.paths.lock)).toBe(false);
});

test.each([
  ["KEYHOLE_AUTOSTART", "yes", "must be 0 or 1"],
  ["KEYHOLE_AUTOSTART_ONCE", "2", "must be 0 or 1"],
  ["KEYHOLE_DISABLE", "on", "must be 0 or 1"],
  ["KEYHOLE_SOCKET_MODE", "666", "must be 600 or 660, in octal"],
  ["KEYHOLE_SOCKET_DIR_MODE", "755", "must be 700 or 710 or 750, in octal"],
])("%s=%s is an error, also where a daemon runs (A-007)", async (variable, value, message) => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  const { stdout, stderr, exitCode } = await machine.run(EXPORT, { env: { [variable]: value } });
  expect([stdout, exitCode]).toEqual(["", 2]);
  expect(stderr).toStartWith(`keyhole: error: ${variable} ${message}`);
});

test.each<[what: string, words: string[], env: Record<string, string>]>([
  ["KEYHOLE_AUTOSTART_ONCE=1", [], { KEYHOLE_AUTOSTART_ONCE: "1" }],
  ["--once", ["--once"], {}],
])("with %s the daemon serves one client and ends (A-002, A-011)", async (_, words, env) => {
  await using machine = await createMachine({ configs: ["dev"] });
  for (const round of [1, 2]) {
    const { stdout, exitCode } = await machine.run([...EXPORT, ...words], { env });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty("SessionToken");
    await until(hasEnded(machine));
    expect(fs.existsSync(machine.paths.socket)).toBe(false);
    expect(starts(machine)).toBe(round);
  }
});

test("KEYHOLE_HOME alone makes no daemon for one client; nor does the variable for a daemon that is started by hand", async () => {
  await using machine = await createMachine();
  const env = { KEYHOLE_HOME: machine.paths.home };
  await machine.addConfig("dev");
  await machine.keyhole("export -n dev", { env });
  const pid = machine.daemonPid()!;
  await machine.keyhole("export -n dev", { env });
  expect(isAlive(pid)).toBe(true);
  await machine.keyhole("daemon stop");
  await machine.keyhole("daemon start", { env: { KEYHOLE_AUTOSTART_ONCE: "1" } });
  await machine.keyhole("export -n dev");
  await machine.keyhole("export -n dev");
  expect(starts(machine)).toBe(2);
});

test("keyhole --daemon --once ends behind its first client, and not behind one that only looks (A-002)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const daemon = await startForeground(machine, {}, ["--once"]);
  expect((await machine.run(["daemon", "start"])).stderr).toContain("already running");
  await machine.keyhole("export -n dev");
  expect(await daemon.exited).toBe(0);
});

test("with KEYHOLE_DISABLE=1 there is no socket, no lock, no daemon (A-013)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const env = { KEYHOLE_DISABLE: "1" };
  for (const round of [1, 2]) {
    const { stdout, stderr, exitCode } = await machine.run(EXPORT, { env });
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toHaveProperty("SessionToken");
    expect(machine.sts.count("AssumeRole")).toBe(round);
  }
  expect(JSON.parse(await machine.keyhole("whoami -n dev", { env }))).toHaveProperty("Arn");
  expect(fs.readdirSync(machine.paths.home)).toEqual(["configs"]);
  for (const words of [
    ["grant", "list"],
    ["daemon", "add", "-n", "dev"],
    ["daemon", "start"],
  ]) {
    const { stderr, exitCode } = await machine.run(words, { env });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("KEYHOLE_DISABLE is set")]);
  }
  expect(fs.readdirSync(machine.paths.home)).toEqual(["configs"]);
});

test("with KEYHOLE_DISABLE=1 a daemon that runs is not asked", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  await machine.keyhole("export -n dev", { env: { KEYHOLE_DISABLE: "1" } });
  expect(machine.sts.count("AssumeRole")).toBe(2);
  expect(machine.log().filter(({ event }) => event === "credentials vended")).toHaveLength(1);
});

test("the socket's and its new directory's modes are as the variables say; what exists keeps its own (A-007, A-008)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const directory = join(machine.home, "place");
  const env = {
    KEYHOLE_SOCKET: join(directory, "k.sock"),
    KEYHOLE_SOCKET_MODE: "0o660",
    KEYHOLE_SOCKET_DIR_MODE: "0750",
  };
  const modes = () => [fs.statSync(directory).mode & 0o777, fs.lstatSync(env.KEYHOLE_SOCKET).mode & 0o777];
  await machine.keyhole("export -n dev", { env });
  expect(modes()).toEqual([0o750, 0o660]);
  await machine.keyhole("daemon stop", { env });
  await machine.keyhole("export -n dev", {
    env: { ...env, KEYHOLE_SOCKET_MODE: "600", KEYHOLE_SOCKET_DIR_MODE: "700" },
  });
  expect(modes()).toEqual([0o750, 0o600]);
  await machine.keyhole("daemon stop", { env });
  // Whoever sets it means to let a group in, which a mode does not.
  const { stderr } = await machine.run(["daemon", "start"], { env });
  const what = "KEYHOLE_SOCKET_MODE gives no other user access: the control socket answers its owner and root alone";
  expect(stderr).toContain(`warning: ${what}\nkeyhole: hint: sudo keyhole setup agent-access`);
  expect(await machine.keyhole("daemon logs", { env })).toContain(what);
  await machine.keyhole("daemon stop", { env });
});

test("KEYHOLE_SOCKET wins over the home's own (A-005)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const socket = join(machine.home, "place", "k.sock");
  await machine.keyhole("export -n dev", { env: { KEYHOLE_SOCKET: socket } });
  expect(fs.existsSync(socket)).toBe(true);
  expect(fs.existsSync(machine.paths.socket)).toBe(false);
  await machine.keyhole("daemon stop", { env: { KEYHOLE_SOCKET: socket } });
});

test.skipIf(!canBeOthers)(
  "where a directory may not be entered (EACCES) nothing is started and nothing removed",
  async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    await machine.keyhole("daemon start");
    using copy = publicExecutable();
    const { path } = copy;
    fs.chmodSync(machine.home, 0o755);
    fs.mkdirSync(join(machine.home, "nobody"));
    fs.chmodSync(join(machine.home, "nobody"), 0o777);
    const env = { KEYHOLE_HOME: join(machine.home, "nobody", "k"), KEYHOLE_SOCKET: machine.paths.socket };
    const options = { env, under: asNobody, program: path, cwd: "/" };
    const { stdout, stderr, exitCode } = await machine.run(["export", "-n", "dev"], options);
    expect([stdout, exitCode]).toEqual(["", 8]);
    expect(stderr).toContain("is not permitted here (EACCES)");
    expect(fs.existsSync(env.KEYHOLE_HOME)).toBe(false);
    expect(fs.existsSync(machine.paths.socket)).toBe(true);
    expect(starts(machine)).toBe(1);
  },
);

test("a daemon that dies at start shows its own error, once", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  fs.mkdirSync(join(machine.paths.home, "sock"), { mode: 0o700 });
  fs.writeFileSync(machine.paths.socket, "precious");
  const { stdout, stderr, exitCode } = await machine.run(EXPORT);
  expect([stdout, exitCode]).toEqual(["", 3]);
  expect(stderr).toEndWith(
    `, and none is started: ${machine.paths.socket} is occupied by a file that is not a socket\n` +
      `keyhole: hint: ls -l ${machine.paths.socket}\n`,
  );
  expect(fs.readFileSync(machine.paths.socket, "utf8")).toBe("precious");
});

test("after kill -9 the next export starts another one at once, and gets the session's credentials", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  for (let round = 1; round <= 5; round++) {
    await machine.keyhole("export -f credential-process -n dev");
    const pid = machine.daemonPid()!;
    process.kill(pid, "SIGKILL");
  }
  expect(starts(machine)).toBe(5);
});
