import { expect, test } from "bun:test";
import { closeSync, openSync, writeFileSync } from "node:fs";
import {
  checkClock,
  checkDaemon,
  checkDescriptors,
  checkLock,
  checkSocket,
  checkVersion,
} from "../../../src/cli/doctor/daemon.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { LEAST } from "../../grants/fakes/grants.ts";
import { openGrantStore } from "../../../src/grants/store.ts";
import { loadNative } from "../../../src/native/load.ts";
import { build } from "../../../src/version.ts";
import { daemonView, Home, hostMachine } from "../fakes/machines.ts";
import { NOW } from "../fakes/world.ts";

const failed = (kind: "timeout" | "blocked" | "unreachable", message = "why") => ({
  failure: new KeyholeError(kind, message),
});

test("a daemon that answers is fine; one of another user, or that says nothing, is not", async () => {
  using home = new Home();
  const check = async (daemon: Awaited<ReturnType<typeof hostMachine>>["daemon"], uid = 1000) =>
    checkDaemon(await hostMachine(home, { daemon, uid }));
  expect(await check({ ...daemonView(), uid: 1000 })).toEqual([{ level: "ok", message: "answers (pid 77)" }]);
  expect(await check({ ...daemonView({ notes: ["a policy"] }), uid: 1000 })).toEqual([
    { level: "warning", message: "a policy", fix: "keyhole daemon logs" },
  ]);
  expect(await check({ ...daemonView(), uid: 1001 })).toMatchObject([
    { level: "problem", message: expect.stringContaining("another user (uid 1001)") },
  ]);
  expect(await check(failed("timeout"))).toMatchObject([{ level: "problem", fix: "keyhole daemon kill" }]);
  expect(await check(failed("blocked"))).toMatchObject([{ level: "problem", message: "why" }]);
  expect(await check(failed("unreachable"))).toMatchObject([{ level: "warning", fix: "keyhole daemon start" }]);
});

test("a daemon that is missing is a problem for as long as there are grants", async () => {
  using home = new Home();
  const machine = await hostMachine(home);
  const grant = { ...LEAST, createdAt: NOW - 1000 };
  const store = openGrantStore(machine.settings.paths.grantDir);
  store.write(grant, { durable: false });
  expect(checkDaemon(machine)).toEqual([
    { level: "problem", message: "is not running, and does not serve its grants (1)", fix: "keyhole daemon start" },
  ]);
  store.write({ ...grant, revokedAt: NOW - 1 }, { durable: false });
  expect(checkDaemon(machine)).toMatchObject([{ level: "warning" }]);
});

test("a daemon that is missing is not missed where there is a shared one", async () => {
  using home = new Home();
  home.make("shared");
  const listener = Bun.listen({ unix: `${home.path}/shared/keyhole.sock`, socket: { data: () => {} } });
  expect(checkDaemon(await hostMachine(home))).toMatchObject([{ level: "ok" }]);
  listener.stop(true);
  expect(checkDaemon(await hostMachine(home))).toMatchObject([{ level: "warning" }]);
});

test("with KEYHOLE_DISABLE there is no daemon to miss", async () => {
  using home = new Home();
  expect(checkDaemon(await hostMachine(home, {}, { KEYHOLE_DISABLE: "1" }))).toMatchObject([{ level: "ok" }]);
});

test("a daemon of another version, or of another build of this one, is named", async () => {
  using home = new Home();
  const daemon = daemonView();
  expect(checkVersion(await hostMachine(home, { daemon }))).toMatchObject([{ level: "ok" }]);
  expect(checkVersion(await hostMachine(home, { daemon: daemonView({ version: "9.9.9" }) }))).toMatchObject([
    { level: "warning", message: expect.stringContaining("keyhole 9.9.9"), fix: "keyhole daemon restart" },
  ]);
  home.write(".keyhole/bin/keyhole-9.9.9-other");
  expect(checkVersion(await hostMachine(home, { daemon }))).toMatchObject([
    { level: "warning", message: expect.stringContaining("another build") },
  ]);
  home.write(`.keyhole/bin/keyhole-${build.replaceAll(/[^\w.-]/g, "-")}`);
  expect(checkVersion(await hostMachine(home, { daemon }))).toMatchObject([{ level: "ok" }]);
  expect(checkVersion(await hostMachine(home))).toEqual([]);
});

test("a lock is held by whoever answers, or by nobody", async () => {
  using home = new Home();
  expect(checkLock(await hostMachine(home))).toMatchObject([{ level: "ok", message: "not held" }]);
  const path = home.write(".keyhole/sock/daemon.lock");
  writeFileSync(path, `${process.pid}\n`);
  const descriptor = openSync(path, "r");
  expect(loadNative().lockFile(descriptor)).toBe(true);
  expect(checkLock(await hostMachine(home))).toMatchObject([
    { level: "problem", message: `held by pid ${process.pid}, which does not answer`, fix: "keyhole daemon kill" },
  ]);
  expect(checkLock(await hostMachine(home, { daemon: daemonView({ pid: process.pid }) }))).toMatchObject([
    { level: "ok" },
  ]);
  expect(checkLock(await hostMachine(home, { daemon: daemonView({ pid: 77 }) }))).toMatchObject([
    { level: "problem", message: `held by pid ${process.pid}, but pid 77 answers` },
  ]);
  closeSync(descriptor);
});

test("sockets of daemons that have ended are named, and those of others are not", async () => {
  using home = new Home();
  const machine = await hostMachine(home);
  expect(checkSocket(machine)).toMatchObject([{ level: "ok" }]);
  const stale = home.write(".keyhole/sock/daemon.sock.4711");
  home.write(".keyhole/sock/daemon.sock.4712");
  home.make("proc/4712");
  const socket = home.write(".keyhole/sock/daemon.sock");
  expect(checkSocket(machine)).toEqual([
    { level: "warning", message: `${socket} is there, but no daemon answers`, fix: "keyhole daemon start" },
    { level: "warning", message: `${stale} was left by a daemon that was killed`, fix: `rm ${stale}` },
  ]);
  expect(checkSocket(await hostMachine(home, { daemon: failed("blocked") }))).toHaveLength(1);
});

test.each([
  [0, 0, "ok", "agrees"],
  [60_000, 0, "ok", "agrees"],
  [61_000, 0, "warning", "1 min 1 s behind"],
  [0, 120_000, "warning", "2 min ahead of"],
  [300_000, 0, "problem", "5 min behind"],
])("a clock %p ms behind and %p ms ahead is %s", async (clockBehindMs, clockAheadMs, level, message) => {
  using home = new Home();
  const machine = await hostMachine(home, { daemon: daemonView({ clockBehindMs, clockAheadMs }) });
  expect(checkClock(machine)).toMatchObject([{ level, message: expect.stringContaining(message) }]);
});

test.each([
  ["4096", "ok"],
  ["unlimited", "ok"],
  ["256", "warning"],
])("a daemon that may open %s files is %s", async (limit, level) => {
  using home = new Home();
  const machine = await hostMachine(home, { daemon: daemonView() });
  expect(checkDescriptors(machine)).toEqual([]);
  home.write(
    "proc/77/limits",
    `Max cpu time   unlimited   unlimited   seconds\nMax open files   ${limit}   8192   files\n`,
  );
  expect(checkDescriptors(machine)).toMatchObject([{ level }]);
});
