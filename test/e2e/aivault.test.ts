// What aivault does, by the ids of the rows in interop/peers; which test each of the others has is in interop/peers/known.ts.
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, messages } from "../../src/wire/messages.ts";
import { dial } from "./attacker.ts";
import { startForeground } from "./daemons.ts";
import { configText, createMachine, isAlive, roleArn, until } from "./machine.ts";
import { createUsers, noUsers } from "./users.ts";

const EXPORT = ["export", "-f", "credential-process", "-n", "dev"];
const HELLO = encodeFrame(messages.Hello.number, encode(messages.Hello.request, { version: "x" }));

test("one executable is client and daemon, and both say which release they are (A-001, A-002)", async () => {
  await using machine = await createMachine();
  const version = await machine.keyhole("--version");
  expect(await machine.keyhole("--daemon --version")).toBe(version);
  const help = await machine.keyhole("--daemon --help");
  for (const word of ["keyhole --daemon", "--shared", "--once", "--socket-path=<PATH>"]) expect(help).toContain(word);
  for (const word of ["keyhole --daemon", "--shared", "--once"])
    expect(await machine.keyhole("--help")).toContain(word);
  expect(existsSync(machine.paths.home)).toBe(false);
});

test.each<[env: (home: string) => Record<string, string>, socket: string]>([
  [() => ({}), ".keyhole/sock/daemon.sock"],
  [(home) => ({ KEYHOLE_HOME: `${home}/k` }), "k/sock/daemon.sock"],
  [(home) => ({ TMPDIR: `${home}/t`, XDG_RUNTIME_DIR: `${home}/x` }), ".keyhole/sock/daemon.sock"],
])("the socket is below the home, whatever else is set (A-003)", async (env, socket) => {
  await using machine = await createMachine();
  const options = { env: env(machine.home) };
  await machine.keyhole("daemon start", options);
  expect(existsSync(join(machine.home, socket))).toBe(true);
  await machine.keyhole("daemon stop", options);
});

test("a client needs nothing but the socket: no config, no directory of its own (A-014)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  const empty = join(machine.home, "empty");
  mkdirSync(empty);
  const env = { KEYHOLE_HOME: join(empty, "k"), KEYHOLE_SOCKET: machine.paths.socket };
  for (const words of [EXPORT, ["export", "-n", "dev"], ["whoami", "-n", "dev"], ["exec", "-n", "dev", "--", "true"]]) {
    expect(await machine.run(words, { env })).toMatchObject({ exitCode: 0, stderr: "" });
  }
  expect(readdirSync(empty)).toEqual([]);
});

describe("errors by kind (A-015)", () => {
  test("nobody there, and nobody to be started", async () => {
    await using machine = await createMachine();
    const { stderr, exitCode } = await machine.run(["daemon", "list"]);
    expect([exitCode, stderr]).toEqual([
      3,
      `keyhole: error: no daemon listens at ${machine.paths.socket}\nkeyhole: hint: keyhole daemon start\n`,
    ]);
  });

  test("somebody else there", async () => {
    await using machine = await createMachine();
    mkdirSync(join(machine.paths.home, "sock"), { recursive: true, mode: 0o700 });
    const web = Bun.listen({
      unix: machine.paths.socket,
      socket: { data: (socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n") },
    });
    chmodSync(machine.paths.socket, 0o600);
    await machine.addConfig("dev");
    for (const words of [EXPORT, ["daemon", "list"]]) {
      const { stderr, exitCode } = await machine.run(words);
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("what answers is not a keyhole daemon: ")]);
    }
    web.stop(true);
  });

  test("the daemon's own, word for word", async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    const fail = { code: "AccessDenied", message: "not here, not now", status: 403 };
    machine.sts.faults.add({ action: "AssumeRole", fail });
    const { stderr, exitCode } = await machine.run(EXPORT);
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining("AccessDenied: not here, not now")]);
  });
});

test("a client may close its half before it is answered, and ask many times before that (A-016)", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const peer = await dial(machine.paths.socket);
  await peer.write(Buffer.concat([HELLO, HELLO, HELLO]));
  peer.finish();
  await peer.closed;
  expect(peer.frames.map(({ message }) => message)).toEqual([1, 1, 1]);
});

test("what is no request is answered with why, and closed (A-017)", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const peer = await dial(machine.paths.socket);
  await peer.write(Buffer.concat([HELLO, Buffer.from('{"op":"execute_envelope"}\n')]));
  await peer.closed;
  expect(peer.frames.map(({ message }) => message)).toEqual([1, ERROR_NUMBER]);
});

test("health is asked of memory, whatever hangs (A-018, A-019)", async () => {
  await using machine = await createMachine({ configs: ["dev", "stuck"] });
  await machine.keyhole("daemon start");
  machine.sts.faults.add({ action: "AssumeRole", roleArn: roleArn("stuck"), hang: true });
  const stuck = machine.spawn(["export", "-n", "stuck"], { env: { KEYHOLE_AUTOSTART: "0" } });
  await machine.sts.until(() => machine.sts.count("AssumeRole") === 1);
  const began = performance.now();
  await machine.keyhole("daemon status --wait 10");
  await machine.keyhole("export -n dev");
  expect(performance.now() - began).toBeLessThan(5000);
  await machine.keyhole("daemon stop");
  expect(await stuck.exited).toBe(3);
});

test("a restart ends the one daemon that is meant, and nobody whose command line looks alike (A-020)", async () => {
  await using machine = await createMachine();
  const other = join(machine.home, "other", "k.sock");
  const bystander = await startForeground(machine, {}, [`--socket-path=${other}`]);
  await machine.keyhole("daemon start");
  const before = machine.daemonPid()!;
  const { pid, stopped } = JSON.parse(await machine.keyhole("daemon restart --json")) as Record<string, number>;
  expect([stopped, pid === before, isAlive(before)]).toEqual([before, false, false]);
  expect(bystander.exitCode).toBeNull();
  await machine.keyhole(`-sp ${other} daemon status`);
  bystander.kill("SIGTERM");
  expect(await bystander.exited).toBe(0);
});

test("with a home that is not absolute nothing is made in the working directory (A-024)", async () => {
  await using machine = await createMachine();
  const { stdout, stderr, exitCode } = await machine.run(EXPORT, { env: { HOME: "relative" } });
  expect([stdout, exitCode]).toEqual(["", 2]);
  expect(stderr).toContain("keyhole: hint: export KEYHOLE_HOME=");
  expect(readdirSync(join(machine.home, "work"))).toEqual([]);
});

test.skipIf(noUsers !== undefined)("without HOME the user database is asked, as everywhere (A-024)", async () => {
  await using users = await createUsers(["ada"]);
  await users.write("ada", ".keyhole/configs/dev.yaml", `AssumeRole:\n  RoleArn: ${roleArn("dev")}\n`);
  for (const home of [["-u", "HOME"], ["HOME="]]) {
    const words = [...users.as("ada"), "env", ...home, users.program, "config", "list"];
    expect(await users.asRoot(words)).toMatchObject({ exitCode: 0, stdout: "dev\n", stderr: "" });
  }
  const stranger = ["setpriv", "--reuid=4711", "--clear-groups", users.program, ...EXPORT];
  const { stdout, stderr, exitCode } = await users.asRoot(stranger);
  expect([stdout, exitCode]).toEqual(["", 2]);
  expect(stderr).toContain("keyhole: hint: export KEYHOLE_HOME=");
});

test("statuses and streams are what scripts expect (A-025, A-026)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  expect(await machine.run(["daemon", "add", "-n", "dev", "--json"])).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await machine.run(["daemon", "add", "-n", "dev"])).stdout).toBe("");
  for (const words of ["daemon list", "daemon status", "config list"]) {
    expect(JSON.parse(await machine.keyhole(`${words} --json`))).toBeObject();
  }
  expect((await machine.run(["export", "-n", "none"])).exitCode).toBe(4);
  expect((await machine.run(["export", "--bogus"])).exitCode).toBe(2);
});

test("there is no variable that makes a released executable less strict (A-032)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const hatches = { KEYHOLE_DEV: "1", KEYHOLE_DEBUG: "1", KEYHOLE_INSECURE: "1", NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  mkdirSync(join(machine.paths.home, "sock"), { mode: 0o700 });
  chmodSync(join(machine.paths.home, "sock"), 0o777);
  const { stderr, exitCode } = await machine.run(EXPORT, { env: hatches });
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining("and none is started: ")]);
  expect(stderr).toContain("can be written by others");
});

test("a second daemon takes no socket that somebody answers on, lock or no lock (A-035)", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const pid = machine.daemonPid()!;
  renameSync(machine.paths.lock, `${machine.paths.lock}.moved`);
  const second = await machine.run(["--daemon"]);
  expect([second.exitCode, second.stderr]).toEqual([1, expect.stringContaining("something already answers at")]);
  const status = JSON.parse(await machine.keyhole("daemon status --json")) as { pid: number };
  expect(status.pid).toBe(pid);
});

test("a daemon that was started by a client has a log like any other (A-040)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  await machine.run(["export", "-n", "none"]);
  const log = await machine.keyhole("daemon logs");
  for (const event of ["daemon started", "credentials vended", "request failed"]) expect(log).toContain(event);
});

test("what unlocked a session once holds for everybody who asks later (A-042)", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon add -n dev");
  const bare = { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } };
  const first = await machine.keyhole("export -f credential-process -n dev", bare);
  // Also when the credentials have to be assumed anew, behind everybody's back.
  const dev = join(machine.paths.configs, "dev.yaml");
  await Bun.write(dev, configText(machine, "dev", "  ExternalId: another\n"));
  await until(async () => (await machine.keyhole("export -f credential-process -n dev", bare)) !== first);
  expect(machine.sts.count("AssumeRole")).toBe(2);
});
