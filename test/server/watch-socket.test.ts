import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Listener, listen } from "../../src/server/listener.ts";
import { type Lock, takeLock } from "../../src/daemon/lock.ts";
import { watchSocket, pinHome, type SocketWatch } from "../../src/server/watch-socket.ts";
import { ensurePrivateDirectory } from "../../src/files/directories.ts";
import { loadNative } from "../../src/native/load.ts";
import { CONTROL_REQUEST_LIMIT, encodeFrame } from "../../src/wire/frame.ts";
import { until } from "../processes.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";

const native = loadNative();
let home: string;
let path: string;
let clock: FakeClock;
let listener: Listener;
let socketWatch: SocketWatch;
let events: string[];
const others: Lock[] = [];

const lockPath = () => path.replace(".sock", ".lock");

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "keyhole-socketWatch-"));
  path = join(home, "sock", "daemon.sock");
  mkdirSync(join(home, "sock"), { mode: 0o700 });
  clock = new FakeClock();
  events = [];
  const log = (_: unknown, event: string) => void events.push(event);
  const lock = takeLock(lockPath(), native);
  listener = await listen({
    path,
    mode: 0o600,
    maxConnections: 10,
    requestLimit: CONTROL_REQUEST_LIMIT,
    identify: () => ({ pid: 7, uid: 1000, gid: 1000 }),
    isAllowed: () => true,
    dispatch: ({ message, body }) => encodeFrame(message, body.slice()),
    clock,
    log,
  });
  socketWatch = watchSocket({
    path,
    listener,
    lock,
    takeLock: () => takeLock(lockPath(), native),
    home: pinHome(home),
    makeDirectory: () => ensurePrivateDirectory(join(home, "sock")),
    clock,
    giveWay: (reason) => void events.push(`gave way: ${reason}`),
  });
});

afterEach(async () => {
  socketWatch.stop();
  const closed = listener.close(0);
  await clock.advance(1);
  await closed;
  for (const lock of [socketWatch.lock, ...others.splice(0)]) lock.release();
  rmSync(home, { recursive: true, force: true });
});

/** Whether somebody who connects now is answered. */
async function isAnswered(): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data: () => answer.resolve(true),
      close: () => answer.resolve(false),
      error: () => answer.resolve(false),
    },
  });
  socket.write(encodeFrame(1, new Uint8Array(0)));
  const isAlive = await answer.promise;
  socket.end();
  return isAlive;
}

test("as long as nothing is missing nothing is done", async () => {
  await clock.advance(60_000);
  expect(events).toEqual([]);
  expect(await isAnswered()).toBe(true);
});

test.each<[what: string, remove: () => void]>([
  ["socket", () => unlinkSync(path)],
  ["lock file", () => unlinkSync(lockPath())],
  ["directory", () => rmSync(join(home, "sock"), { recursive: true })],
])("a %s that was removed is there again soon, and connections live on", async (_, remove) => {
  const held = await Bun.connect({ unix: path, socket: { data: () => {} } });
  await until(() => listener.connections === 1);
  remove();
  await clock.advance(2000);
  await until(() => events.includes("socket restored"));
  expect(await isAnswered()).toBe(true);
  expect([socketWatch.lock.isInPlace, listener.isInPlace]).toEqual([true, true]);
  expect(() => takeLock(lockPath(), native)).toThrow("already running");
  expect(listener.connections).toBeGreaterThanOrEqual(1);
  held.end();
  // And once more: the eye stays open.
  events.length = 0;
  remove();
  await clock.advance(2000);
  await until(() => events.includes("socket restored"));
});

test("where another daemon has the place by now, this one gives way", async () => {
  renameSync(join(home, "sock"), join(home, "moved"));
  mkdirSync(join(home, "sock"), { mode: 0o700 });
  others.push(takeLock(lockPath(), native));
  await clock.advance(2000);
  await until(() => events.length > 1);
  expect(events).toEqual(["socket not restored", "gave way: replaced"]);
  expect(existsSync(path)).toBe(false);
});

test("where the whole home is gone it gives way, and makes no other", async () => {
  rmSync(home, { recursive: true });
  await clock.advance(2000);
  await until(() => events.length > 0);
  expect(events).toEqual(["gave way: home removed"]);
  expect(existsSync(home)).toBe(false);
});

test("what cannot be put back is tried again", async () => {
  rmSync(join(home, "sock"), { recursive: true });
  mkdirSync(join(home, "sock"), { mode: 0o700 });
  mkdirSync(path);
  await clock.advance(2000);
  await until(() => events.includes("socket not restored"));
  rmSync(path, { recursive: true });
  await clock.advance(2000);
  await until(() => events.includes("socket restored"));
  expect(await isAnswered()).toBe(true);
});

test("in another home it serves nothing: it gives way", async () => {
  const former = `${home}.former`;
  others.push({ isInPlace: true, release: () => rmSync(former, { recursive: true }) });
  renameSync(home, former);
  mkdirSync(join(home, "sock"), { recursive: true, mode: 0o700 });
  await clock.advance(10_000);
  expect(events).toEqual(["gave way: another home"]);
  expect(existsSync(path)).toBe(false);
});

test("while the way to the home is closed it waits, and looks after the socket again behind that", async () => {
  const former = `${home}.former`;
  renameSync(home, former);
  symlinkSync(home, home);
  await clock.advance(2000);
  await until(() => events.includes("socket not restored"));
  unlinkSync(home);
  renameSync(former, home);
  await clock.advance(2000);
  unlinkSync(path);
  await clock.advance(2000);
  await until(() => events.includes("socket restored"));
  expect(await isAnswered()).toBe(true);
});
