import { expect, test } from "bun:test";
import type { DaemonStatus } from "../../../../src/wire/messages.ts";
import { session, startFakeDaemon } from "../../fakes/daemon.ts";
import { keyhole, NOW } from "../../fakes/world.ts";

const status: DaemonStatus = {
  version: "1.2.3",
  pid: 77,
  startedAt: NOW - 3_725_000,
  socket: "/s.sock",
  log: "/l.log",
  configDir: "/c",
  maxSessions: 64,
  connections: 1,
  residentBytes: 50 * 2 ** 20,
  clockBehindMs: 0,
  clockAheadMs: 0,
  sharedSocket: undefined,
  managed: false,
  notes: [],
  counters: [{ name: "requests", value: 12 }],
  sessions: [
    session({ config: "dev", pinned: true, expiresAt: NOW + 3_000_000, renewAt: NOW + 1_500_000 }),
    session({ config: "bad", failures: 2, lastError: "AccessDenied\n\u001b[31m", notes: ["duration reduced"] }),
  ],
};

function environmentOf(daemon: { home: string; socket: string }) {
  return { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
}

test("a person reads this", async () => {
  await using daemon = startFakeDaemon({ Status: () => status });
  const result = await keyhole(["daemon", "status"], { environment: environmentOf(daemon) });
  expect(result).toMatchObject({ exit: 0, stderr: "" });
  expect(result.stdout).toMatchInlineSnapshot(`
    "daemon is running
      pid          77
      version      1.2.3
      uptime       1 h 2 min
      socket       /s.sock
      log          /l.log
      configs      /c
      memory       50.0 MiB
      connections  1
      sessions     2 of at most 64
      requests     12

    SESSION       EXPIRES IN  RENEWAL IN  SOURCE       ROLE
    dev (pinned)  50 min      25 min      environment  arn:aws:iam::111122223333:role/dev
    bad           -           on demand   environment  arn:aws:iam::111122223333:role/bad
    bad: duration reduced
    bad: last error: AccessDenied \\x1b[31m (2 in a row)
    "
  `);
});

test("a clock that is off gets a line, and the times are told on AWS's", async () => {
  await using daemon = startFakeDaemon({ Status: () => ({ ...status, clockBehindMs: 120_000 }) });
  const { stdout } = await keyhole(["daemon", "status"], { environment: environmentOf(daemon) });
  expect(stdout).toContain("this machine is 2 min behind AWS");
  expect(stdout).toContain("48 min");
});

test("a script reads all of it", async () => {
  await using daemon = startFakeDaemon({ Status: () => status });
  const { stdout } = await keyhole(["daemon", "status", "--json"], { environment: environmentOf(daemon) });
  expect(JSON.parse(stdout)).toMatchObject({
    running: true,
    pid: 77,
    version: "1.2.3",
    uptimeSeconds: 3725,
    clockSkewMs: 0,
    counters: { requests: 12 },
    sessions: [
      { config: "dev", pinned: true },
      { config: "bad", failures: 2 },
    ],
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
