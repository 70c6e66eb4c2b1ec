import { describe, expect, test } from "bun:test";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { loadNative } from "../../../src/native/load.ts";
import type { Host } from "../../../src/cli/command.ts";
import { type ErrorName, KeyholeError } from "../../../src/errors.ts";
import type { Settings } from "../../../src/settings.ts";
import type { DaemonStatus } from "../../../src/wire/messages.ts";
import { environmentOf, session, startFakeDaemon } from "../fakes/daemon.ts";
import { daemonView } from "../fakes/machines.ts";
import { keyhole, NOW } from "../fakes/world.ts";

/** A process that ends after being looked at so many times, with a clock that moves while one waits. */
function dying(looks: number): Partial<Host> & { readonly signals: string[] } {
  const signals: string[] = [];
  let now = NOW;
  let left = looks;
  return {
    signals,
    now: () => now,
    wait: (milliseconds) => Promise.resolve(void (now += milliseconds)),
    isRunning: () => Promise.resolve(left-- > 0),
    signal: (pid, name) => signals.push(`${name} ${pid}`) > 0,
    // Whose the directories of these tests are.
    userId: () => process.getuid!(),
  };
}

const Hello = () => ({ version: "1", pid: 77 });
const Stop = () => ({ pid: 77 });
const nobody = { KEYHOLE_HOME: "/nowhere" };

describe("stop", () => {
  test("asks, and waits until the process is gone", async () => {
    await using daemon = startFakeDaemon({ Stop });
    const host = dying(3);
    const result = await keyhole(["daemon", "stop"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 0, stdout: "", stderr: "daemon stopped (pid 77)\n" });
    expect(host.signals).toEqual([]);
  });

  test("of a daemon that is not running is no failure", async () => {
    expect(await keyhole(["daemon", "stop"], { environment: nobody })).toMatchObject({
      exit: 0,
      stderr: "daemon is not running\n",
    });
    const { stdout } = await keyhole(["daemon", "stop", "--json"], { environment: nobody });
    expect(JSON.parse(stdout)).toEqual({ stopped: false });
  });

  test("gives up on a process that does not end, and names the command that ends it", async () => {
    await using daemon = startFakeDaemon({ Stop });
    const host = dying(Number.POSITIVE_INFINITY);
    const result = await keyhole(["daemon", "stop"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({
      exit: 7,
      stderr: "keyhole: error: the daemon (pid 77) is still running\nkeyhole: hint: keyhole daemon kill\n",
    });
  });
});

describe("kill", () => {
  test("kills the process that answers on the socket", async () => {
    await using daemon = startFakeDaemon({ Hello });
    const host = dying(2);
    const result = await keyhole(["daemon", "kill"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 0, stderr: "daemon killed (pid 77)\n" });
    expect(host.signals).toEqual(["SIGKILL 77"]);
  });

  test("kills the holder of the lock where nobody answers", async () => {
    await using daemon = startFakeDaemon({});
    daemon.stop();
    const lock = daemon.socket.replace(".sock", ".lock");
    writeFileSync(lock, "88\n");
    const descriptor = openSync(lock, "r");
    expect(loadNative().lockFile(descriptor)).toBe(true);
    const host = dying(1);
    const result = await keyhole(["daemon", "kill"], { environment: environmentOf(daemon), host });
    expect(result.exit).toBe(0);
    expect(host.signals).toEqual(["SIGKILL 88"]);
    closeSync(descriptor);
  });

  test("leaves the pid in a lock file alone that nobody holds", async () => {
    await using daemon = startFakeDaemon({});
    daemon.stop();
    writeFileSync(daemon.socket.replace(".sock", ".lock"), "88\n");
    const host = dying(1);
    const result = await keyhole(["daemon", "kill"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 0, stderr: "daemon is not running\n" });
    expect(host.signals).toEqual([]);
  });
});

describe("a pid that may be anybody's", () => {
  const STRANGER = { userId: () => process.getuid!() + 1 };
  const refusal = expect.stringContaining("is another user's: its pid cannot be trusted");

  test("is not killed because another user's daemon claims it", async () => {
    await using daemon = startFakeDaemon({ Hello });
    const host = { ...dying(1), ...STRANGER };
    const result = await keyhole(["daemon", "kill"], { environment: environmentOf(daemon), host });
    expect([result.exit, result.stderr]).toEqual([9, refusal]);
    expect(result.stderr).toContain(`hint: sudo -H -u '#${process.getuid!()}' keyhole daemon kill\n`);
    expect(host.signals).toEqual([]);
  });

  test("is told nothing because another user's lock file names it", async () => {
    await using daemon = ofAnotherRelease("unsupported-version");
    for (const command of ["stop", "kill"]) {
      const host = { ...dying(1), ...STRANGER };
      const result = await keyhole(["daemon", command], { environment: environmentOf(daemon), host });
      expect([command, result.exit, result.stderr]).toEqual([command, 9, refusal]);
      expect(host.signals).toEqual([]);
    }
  });

  test.each([0, 1])("is not killed where it is %i", async (pid) => {
    await using daemon = startFakeDaemon({ Hello: () => ({ version: "1", pid }) });
    const host = dying(1);
    const result = await keyhole(["daemon", "kill"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 9, stderr: expect.stringContaining(`says that it is process ${pid}`) });
    expect(host.signals).toEqual([]);
  });
});

/** Launches a daemon, in place of one that runs where `isReplacing`. */
function launching(isReplacing: boolean) {
  return async (_: Settings, endOther?: () => Promise<unknown>) => {
    if (isReplacing) await endOther!();
    return { pid: 78 };
  };
}

const statusOf = (sessions: DaemonStatus["sessions"]) => daemonView({ sessions }).status;

/** A daemon that understands nothing of what this release says, and holds its lock. */
function ofAnotherRelease(kind: ErrorName) {
  const refuse = () => {
    throw new KeyholeError(kind, "this daemon speaks protocol version 0, the client 1");
  };
  const daemon = startFakeDaemon({ Hello: refuse, Status: refuse, Stop: refuse });
  const lock = daemon.socket.replace(".sock", ".lock");
  writeFileSync(lock, "88\n");
  const descriptor = openSync(lock, "r");
  expect(loadNative().lockFile(descriptor)).toBe(true);
  const end = async () => {
    closeSync(descriptor);
    await daemon[Symbol.asyncDispose]();
  };
  return { ...daemon, [Symbol.asyncDispose]: end };
}

describe.each(["unsupported-version", "unknown-message"] as const)("a daemon of a release that is %s", (kind) => {
  test("is stopped by a signal", async () => {
    await using daemon = ofAnotherRelease(kind);
    const host = dying(1);
    const result = await keyhole(["daemon", "stop"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 0, stderr: "daemon stopped (pid 88)\n" });
    expect(host.signals).toEqual(["SIGTERM 88"]);
  });

  test("is killed by the pid in its lock", async () => {
    await using daemon = ofAnotherRelease(kind);
    const host = dying(1);
    const result = await keyhole(["daemon", "kill"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 0, stderr: "daemon killed (pid 88)\n" });
    expect(host.signals).toEqual(["SIGKILL 88"]);
  });

  test("is replaced, which is what its hint says", async () => {
    await using daemon = ofAnotherRelease(kind);
    const host = { ...dying(1), launch: launching(true) };
    const result = await keyhole(["daemon", "restart"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 0, stderr: "daemon restarted (pid 78)\n" });
    expect(host.signals).toEqual(["SIGTERM 88"]);
  });
});

describe("restart", () => {
  const sessions = [session({ config: "a" }), session({ config: "b" })];

  test("stops when the next one is loaded, offers this shell's keys, and says what did not come back", async () => {
    await using daemon = startFakeDaemon({
      Status: () => statusOf([session({ config: "back" }), session({ config: "lost" })]),
      List: () => ({ sessions: [session({ config: "back" })] }),
      Stop,
      Compare: () => ({ difference: undefined }),
    });
    const host = { ...dying(1), launch: launching(true) };
    const keys = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "s" };
    const result = await keyhole(["daemon", "restart"], { environment: { ...environmentOf(daemon), ...keys }, host });
    expect(result).toMatchObject({
      exit: 0,
      stdout: "",
      stderr:
        "daemon restarted (pid 78)\n" +
        "keyhole: warning: session lost waits for a shell that has its source's keys, or another source\n" +
        "  sessions: 1 of 2 came back\n",
    });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Status", "Stop", "Compare", "List"]);
    expect(daemon.requests[2]!.body).toMatchObject({
      config: "",
      environment: expect.arrayContaining([{ name: "AWS_SECRET_ACCESS_KEY", value: "s" }]) as unknown[],
    });
  });

  test("gives the next one the configs and the shared socket of the one before, unless other configs are named", async () => {
    const { status } = daemonView({ sharedSocket: "/srv/k.sock", configDir: "/theirs" });
    await using daemon = startFakeDaemon({ Status: () => status, Stop, List: () => ({ sessions: [] }) });
    const launched: Settings[] = [];
    const host = {
      ...dying(1),
      launch: (settings: Settings) => Promise.resolve({ pid: 78 + launched.push(settings) }),
    };
    for (const words of [[], ["--config-dir", "/mine"]])
      await keyhole(["daemon", "restart", ...words], { environment: environmentOf(daemon), host });
    expect(launched.map(({ isShared, paths }) => [isShared, paths.sharedSocket, paths.configDir])).toEqual([
      [true, "/srv/k.sock", "/theirs"],
      [true, "/srv/k.sock", "/mine"],
    ]);
  });

  test("leaves the daemon that runs alone where the next one cannot start", async () => {
    await using daemon = startFakeDaemon({ Status: () => statusOf(sessions), Stop });
    const host = { launch: () => Promise.reject(new KeyholeError("unsafe-path", "the directory /x is bad")) };
    expect((await keyhole(["daemon", "restart"], { environment: environmentOf(daemon), host })).exit).toBe(1);
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Status"]);
  });

  test("leaves a service manager's daemon alone where the next one cannot start", async () => {
    const { status } = daemonView({ managed: true });
    await using daemon = startFakeDaemon({ Status: () => status, Stop });
    const failing = { launch: () => Promise.reject(new KeyholeError("unsafe-path", "the directory /x is bad")) };
    const environment = environmentOf(daemon);
    expect((await keyhole(["daemon", "restart"], { environment, host: failing })).exit).toBe(1);
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Status"]);
    await keyhole(["daemon", "restart"], { environment, host: { ...dying(1), launch: launching(true) } });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Status", "Status", "Stop"]);
  });

  test("starts a daemon where none runs", async () => {
    const host = { launch: launching(false) };
    const { stdout } = await keyhole(["daemon", "restart", "--json"], { environment: nobody, host });
    expect(JSON.parse(stdout)).toEqual({ pid: 78, sessions: [] });
  });
});
