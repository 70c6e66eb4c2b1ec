import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { version } from "../../../../src/version.ts";
import { KeyholeError } from "../../../../src/errors.ts";
import { grantInfo } from "../../../grants/fakes/grants.ts";
import {
  daemonStatus,
  type FakeDaemon,
  session,
  startFakeDaemon,
  temporaryHome,
  environmentOf,
} from "../../fakes/daemon.ts";
import { keyhole, NOW } from "../../fakes/world.ts";

const status = daemonStatus({
  version,
  counters: [{ name: "requests", value: 12 }],
  sessions: [
    session({ config: "dev", pinned: true, expiresAt: NOW + 3_000_000, renewAt: NOW + 1_500_000 }),
    session({ config: "bad", failures: 2, lastError: "AccessDenied\n\u001b[31m", notes: ["duration reduced"] }),
  ],
});

const grants = [grantInfo({ name: "agent", connections: 2 }), grantInfo({ name: "old", state: "revoked" })];

test("a person reads this", async () => {
  await using daemon = startFakeDaemon({ Status: () => status, GrantsList: () => ({ grants }) });
  const result = await keyhole(["daemon", "status"], { environment: environmentOf(daemon) });
  expect(result).toMatchObject({ exit: 0, stderr: "" });
  expect(result.stdout).toMatchInlineSnapshot(`
    "daemon is running

    SESSION       EXPIRES IN  RENEWAL IN  SOURCE       ROLE
    dev (pinned)  50 min      25 min      environment  arn:aws:iam::111122223333:role/dev
    bad           -           on demand   environment  arn:aws:iam::111122223333:role/bad
    bad: duration reduced
    bad: last error: AccessDenied \\x1b[31m (2 in a row)

      pid          77
      version      0.0.0-source
      uptime       1 h 2 min
      socket       /s.sock
      log          /l.log
      configs      /c
      memory       50.0 MiB
      connections  1
      sessions     2 of at most 64
      grants       1 active of 2
      requests     12
    "
  `);
});

test("on a narrow terminal the columns that matter least are left out, unless all are asked for", async () => {
  await using daemon = startFakeDaemon({ Status: () => status, GrantsList: () => ({ grants }) });
  const linesOf = async (columns: number, ...words: string[]) =>
    (await keyhole(["daemon", "status", ...words], { environment: environmentOf(daemon), columns })).stdout.split("\n");
  expect((await linesOf(70))[3]).toBe("dev (pinned)  50 min      arn:aws:iam::111122223333:role/dev");
  expect((await linesOf(80))[3]).toBe("dev (pinned)  50 min      environment  arn:aws:iam::111122223333:role/dev");
  expect((await linesOf(40))[3]).toBe("dev (pinned)  50 min      arn:aws:iam::…");
  expect((await linesOf(40, "--wide"))[3]).toEndWith("role/dev");
});

test("a clock that is off gets a line, and the times are told on AWS's", async () => {
  await using daemon = startFakeDaemon({
    Status: () => ({ ...status, clockBehindMs: 120_000 }),
    GrantsList: () => ({ grants }),
  });
  const { stdout } = await keyhole(["daemon", "status"], { environment: environmentOf(daemon) });
  expect(stdout).toContain("this machine's clock is 2 min behind AWS's");
  expect(stdout).toContain("48 min");
});

test("a script reads all of it", async () => {
  await using daemon = startFakeDaemon({ Status: () => status, GrantsList: () => ({ grants }) });
  const { stdout } = await keyhole(["daemon", "status", "--json"], { environment: environmentOf(daemon) });
  expect(JSON.parse(stdout)).toMatchObject({
    running: true,
    pid: 77,
    version,
    uptimeSeconds: 3725,
    clockSkewMs: 0,
    counters: { requests: 12 },
    sessions: [
      { config: "dev", pinned: true },
      { config: "bad", failures: 2 },
    ],
    grants: [
      { name: "agent", state: "active", connections: 2 },
      { name: "old", state: "revoked" },
    ],
  });
});

test("a daemon that knows no grants, or cannot tell, shows the rest", async () => {
  await using daemon = startFakeDaemon({
    Status: () => status,
    GrantsList: () => {
      throw new KeyholeError("unknown-message", "this daemon speaks messages 1 to 8");
    },
  });
  const result = await keyhole(["daemon", "status", "--json"], { environment: environmentOf(daemon) });
  expect([result.exit, result.stderr]).toEqual([0, ""]);
  const json = JSON.parse(result.stdout) as Record<string, unknown>;
  expect([json["pid"], "grants" in json]).toEqual([77, false]);
});

test("a daemon of another release is pointed out, with the command that replaces it", async () => {
  await using daemon = startFakeDaemon({
    Status: () => ({ ...status, version: "0.0.9" }),
    GrantsList: () => ({ grants }),
  });
  const { exit, stderr } = await keyhole(["daemon", "status"], { environment: environmentOf(daemon) });
  expect([exit, stderr]).toEqual([
    0,
    `keyhole: warning: the daemon is of release 0.0.9, this keyhole of ${version}\n` +
      "keyhole: hint: keyhole daemon restart\n",
  ]);
});

/** A clock that moves while one waits. */
function waiting(onWait: (waits: number) => void) {
  let now = NOW;
  let waits = 0;
  return {
    now: () => now,
    wait: (milliseconds: number) => {
      now += milliseconds;
      waits += 1;
      return Promise.resolve(onWait(waits));
    },
  };
}

describe("--wait", () => {
  test("waits for a daemon that answers", async () => {
    const home = temporaryHome();
    let daemon: FakeDaemon | undefined;
    const host = waiting((waits) => {
      if (waits === 3) daemon = startFakeDaemon({ Status: () => status, GrantsList: () => ({ grants: [] }) }, home);
    });
    const environment = { KEYHOLE_HOME: home, KEYHOLE_SOCKET: join(home, "daemon.sock") };
    const result = await keyhole(["daemon", "status", "--wait", "5"], { environment, host });
    expect(result.exit).toBe(0);
    await daemon![Symbol.asyncDispose]();
  });

  test("gives up after that many seconds, with exit status 3", async () => {
    let last = 0;
    const host = waiting((waits) => void (last = waits));
    const result = await keyhole(["daemon", "status", "--wait", "0.5"], { environment: { KEYHOLE_HOME: "/no" }, host });
    expect([result.exit, last]).toEqual([3, 25]);
  });

  test.each(["x", "-1", "1e3", "86401"])("%p is no time", async (value) => {
    const result = await keyhole(["daemon", "status", `--wait=${value}`], { environment: { KEYHOLE_HOME: "/no" } });
    expect([result.exit, result.stderr]).toEqual([2, expect.stringContaining("--wait must be seconds")]);
  });
});

test("where no daemon runs the exit status is 3", async () => {
  const result = await keyhole(["daemon", "status"], { environment: { KEYHOLE_HOME: "/nowhere" } });
  expect(result).toEqual({
    exit: 3,
    stdout: "daemon is not running\n  socket  /nowhere/sock/daemon.sock\n",
    stderr: "keyhole: hint: keyhole daemon start\n",
    questions: [],
  });
});
