import * as fs from "node:fs";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Evictable,
  type Listener,
  type ListenerOptions,
  chooseVictim,
  listen,
} from "../../src/server/listener.ts";
import { loadNative } from "../../src/native/load.ts";
import { CONTROL_REQUEST_LIMIT, FrameDecoder, RESPONSE_LIMIT, encodeFrame } from "../../src/wire/frame.ts";
import { ERROR_NUMBER } from "../../src/wire/messages.ts";
import { until } from "../processes.ts";
import { asOrdinaryUser } from "../users.ts";
import { FakeClock, settle } from "../daemon/fakes/clock.ts";

let directory: string;
let path: string;
let clock: FakeClock;
let events: string[];
const listeners: Listener[] = [];

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "keyhole-listener-"));
  path = join(directory, "daemon.sock");
  clock = new FakeClock();
  events = [];
});

afterEach(async () => {
  // The fake clock's patience never ends by itself, so close without waiting for peers.
  for (const listener of listeners.splice(0)) {
    const closed = listener.close(0);
    await clock.advance(1);
    await closed;
  }
  fs.rmSync(directory, { recursive: true, force: true });
});

async function start(options: Partial<ListenerOptions> = {}): Promise<Listener> {
  const listener = await listen({
    path,
    mode: 0o600,
    maxConnections: 100,
    requestLimit: CONTROL_REQUEST_LIMIT,
    identify: () => ({ pid: 7, uid: 1000, gid: 1000 }),
    isAllowed: () => true,
    dispatch: ({ message, body }) => encodeFrame(message, body.slice()),
    clock,
    log: (_, event) => events.push(event),
    ...options,
  });
  listeners.push(listener);
  return listener;
}

/** A raw peer: what it got, and whether it was hung up on. */
async function connect(at = path) {
  const decoder = new FrameDecoder(RESPONSE_LIMIT);
  const frames: number[] = [];
  let news = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    unix: at,
    socket: {
      data: (_, chunk) => {
        frames.push(...decoder.push(chunk).map(({ message }) => message));
        news.resolve();
        news = Promise.withResolvers();
      },
      close: () => closed.resolve(),
      error: () => {},
    },
  });
  return {
    frames,
    closed: closed.promise,
    send: (bytes: Uint8Array) => socket.write(bytes),
    answer: async () => {
      while (frames.length === 0) await news.promise;
      return frames.shift();
    },
  };
}

async function refusalOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("not refused");
}

const hello = encodeFrame(1, new Uint8Array(0));

test("the socket appears with its mode, whatever the umask", async () => {
  const previous = process.umask(0);
  await start();
  process.umask(previous);
  expect(fs.lstatSync(path).mode & 0o777).toBe(0o600);
  expect(fs.existsSync(`${path}.${process.pid}`)).toBe(false);
});

test("a peer is answered", async () => {
  await start();
  const peer = await connect();
  peer.send(hello);
  expect(await peer.answer()).toBe(1);
});

test("a peer that is not allowed gets one refusal and is hung up on", async () => {
  await start({ isAllowed: () => false });
  const peer = await connect();
  expect(await peer.answer()).toBe(ERROR_NUMBER);
  await peer.closed;
  expect(events).toEqual(["connection refused"]);
});

test("a peer that the kernel does not identify gets nothing", async () => {
  await start({
    identify: () => {
      throw new Error("SO_PEERCRED is not available");
    },
  });
  const peer = await connect();
  await peer.closed;
  expect(peer.frames).toEqual([]);
});

test("one connection too many closes the one that has been idle longest, never one that was just used", async () => {
  const listener = await start({ maxConnections: 2 });
  const first = await connect();
  first.send(hello);
  await first.answer();
  const second = await connect();
  second.send(hello);
  await second.answer();
  first.send(hello);
  await first.answer();
  const third = await connect();
  third.send(hello);
  expect(await third.answer()).toBe(1);
  await second.closed;
  first.send(hello);
  expect(await first.answer()).toBe(1);
  expect(listener.connections).toBe(2);
});

test("of several processes the one that holds the most connections gives one up, however new the others' are", async () => {
  let pid = 1;
  const listener = await start({ maxConnections: 3, identify: () => ({ pid, uid: 1000, gid: 1000 }) });
  const other = await connect();
  other.send(hello);
  await other.answer();
  pid = 2;
  const hoarders: Awaited<ReturnType<typeof connect>>[] = [];
  for (let count = 0; count < 3; count++) {
    const peer = await connect();
    peer.send(hello);
    await peer.answer();
    hoarders.push(peer);
  }
  await hoarders[0]!.closed;
  other.send(hello);
  expect(await other.answer()).toBe(1);
  expect(listener.connections).toBe(3);
});

test("a user who hoards with many processes, each of them busy, takes no connection of another user's", async () => {
  let peer = { pid: 1, uid: 1000, gid: 1000 };
  await start({
    maxConnections: 3,
    identify: () => peer,
    dispatch: ({ message, body }, { uid }) =>
      uid === 1000 ? new Promise(() => {}) : encodeFrame(message, body.slice()),
  });
  const hoard = async () => {
    peer = { pid: peer.pid + 1, uid: 1000, gid: 1000 };
    (await connect()).send(hello);
  };
  for (let count = 0; count < 3; count++) await hoard();
  peer = { pid: 100, uid: 1001, gid: 1001 };
  const other = await connect();
  for (let count = 0; count < 5; count++) await hoard();
  other.send(hello);
  expect(await other.answer()).toBe(1);
});

test("a request that does not come to an end is cut off", async () => {
  await start();
  const peer = await connect();
  const other = await connect();
  peer.send(hello.subarray(0, 3));
  other.send(hello);
  await other.answer();
  await clock.advance(2500);
  await peer.closed;
  expect(events).toContain("connection too slow");
  other.send(hello);
  expect(await other.answer()).toBe(1);
});

test("a stale socket is removed", async () => {
  const dead = Bun.listen({ unix: join(directory, "dead"), socket: { data: () => {} } });
  fs.linkSync(join(directory, "dead"), path);
  dead.stop(true);
  await start();
  const peer = await connect();
  peer.send(hello);
  expect(await peer.answer()).toBe(1);
});

test("a socket that somebody answers on is not touched", async () => {
  const other = Bun.listen({ unix: path, socket: { data: () => {} } });
  expect(await refusalOf(start())).toContain(`something already answers at ${path}`);
  expect(fs.lstatSync(path).isSocket()).toBe(true);
  other.stop(true);
});

test("a file in the way is not touched, and named", async () => {
  fs.writeFileSync(path, "precious");
  expect(await refusalOf(start())).toContain("occupied by a file that is not a socket");
  expect(fs.existsSync(path)).toBe(true);
});

test.each(["a file", "a socket that answers"])("%s gives way where the socket replaces what is there", async (what) => {
  if (what === "a file") fs.writeFileSync(path, "planted");
  const other = what === "a file" ? undefined : Bun.listen({ unix: path, socket: { data: () => {} } });
  await start({ replaces: true });
  const peer = await connect();
  peer.send(hello);
  expect(await peer.answer()).toBe(1);
  other?.stop(true);
});

test.skipIf(process.platform !== "linux")("below a pinned directory the kernel shows no path", async () => {
  const descriptor = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  await start({ path: `/proc/self/fd/${descriptor}/pinned`, replaces: true });
  const peer = await connect(join(directory, "pinned"));
  peer.send(hello);
  expect(await peer.answer()).toBe(1);
  expect(fs.readFileSync("/proc/net/unix", "utf8")).not.toContain(directory);
  fs.closeSync(descriptor);
});

test("hanging up closes every connection at once, and the next one is accepted", async () => {
  const listener = await start({ dispatch: () => new Promise(() => {}) });
  const peers = await Promise.all([connect(), connect()]);
  peers[0].send(hello);
  await until(() => listener.connections === 2);
  listener.hangUp();
  expect(listener.connections).toBe(0);
  await Promise.all(peers.map(({ closed }) => closed));
  await connect();
  await until(() => listener.connections === 1);
});

test("a listener gives up the connection that was idle longest, and says when one was accepted", async () => {
  let accepted = 0;
  const listener = await start({ accepted: () => void (accepted += 1) });
  listener.yieldOne();
  const first = await connect();
  const second = await connect();
  for (const peer of [first, second]) {
    peer.send(hello);
    await peer.answer();
  }
  listener.yieldOne();
  await first.closed;
  expect([accepted, listener.connections]).toEqual([2, 1]);
});

test("a socket that listens already is taken over, and its file stays for whoever comes next", async () => {
  const manager = Bun.listen({ unix: path, socket: { data: () => {} } });
  const file = fs.lstatSync(path).ino;
  const script = `const { listen } = await import(${JSON.stringify(join(import.meta.dir, "../../src/server/listener.ts"))});
    const clock = { after: (_, action) => (action(), { cancel() {} }) };
    const listener = await listen({ path: ${JSON.stringify(path)}, inherited: 3, clock, maxConnections: 1 });
    const { isInPlace } = listener;
    await listener.close(0);
    console.log(isInPlace);`;
  // In a process of its own: two listeners of one process cannot wait for the same socket.
  const { fd } = manager as unknown as { readonly fd: number };
  const child = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit", fd] });
  expect([await new Response(child.stdout).text(), await child.exited]).toEqual(["true\n", 0]);
  expect(fs.lstatSync(path).ino).toBe(file);
  manager.stop(true);
});

test.skipIf(process.getuid?.() !== 0)("a socket is its group's from the moment on at which it appears", async () => {
  await start({ mode: 0o660, group: 12_345 });
  const { gid, mode } = fs.lstatSync(path);
  expect([gid, mode & 0o777]).toEqual([12_345, 0o660]);
});

test("a group that is not the daemon's own is refused, and nothing is left", async () => {
  const refusal = await asOrdinaryUser([directory], () => refusalOf(start({ mode: 0o660, group: 12_345 })));
  expect(refusal).toContain("cannot be given to its group 12345");
  expect(fs.existsSync(path)).toBe(false);
});

test("closing removes the socket", async () => {
  const listener = await start();
  await listener.close(0);
  expect(fs.existsSync(path)).toBe(false);
});

test("closing leaves a socket alone that another daemon has put there since", async () => {
  const listener = await start();
  fs.unlinkSync(path);
  const other = Bun.listen({ unix: path, socket: { data: () => {} } });
  await listener.close(0);
  expect(fs.lstatSync(path).isSocket()).toBe(true);
  other.stop(true);
});

test("closing leaves a socket alone that was moved", async () => {
  const listener = await start();
  fs.renameSync(path, `${path}.moved`);
  await listener.close(0);
  expect(fs.existsSync(`${path}.moved`)).toBe(true);
});

test("closing waits for an answer that is owed, and takes no new connection meanwhile", async () => {
  const answer = Promise.withResolvers<Uint8Array>();
  const asked = Promise.withResolvers<void>();
  const listener = await start({
    dispatch: () => {
      asked.resolve();
      return answer.promise;
    },
  });
  const peer = await connect();
  peer.send(hello);
  await asked.promise;
  fs.linkSync(path, `${path}.kept`);
  const closed = listener.close(2000);
  expect(await refusalOf(connect(`${path}.kept`))).toContain("");
  answer.resolve(hello);
  expect(await peer.answer()).toBe(1);
  await closed;
});

test("a path that the kernel does not take is a usage error", async () => {
  path = join(directory, "x".repeat(120));
  expect(await refusalOf(start())).toContain("is too long");
});

test("a directory that cannot be written to is named", async () => {
  if (process.getuid?.() === 0) {
    path = "/proc/self/daemon.sock";
  } else fs.chmodSync(directory, 0o500);
  expect(await refusalOf(start())).toContain("cannot bind");
  fs.chmodSync(directory, 0o700);
});

const native = loadNative();
const duplicate = (descriptor: number) => native.duplicate(descriptor);

/** Opens so many connections at once; those that the kernel has no room for are left out. */
async function knock(count: number): Promise<void> {
  await Promise.allSettled(Array.from({ length: count }, () => connect()));
  await settle();
}

test.skipIf(process.platform !== "linux")(
  "whoever connects in a loop is accepted at a rate, and what waits is answered when its turn has come",
  async () => {
    const listener = await start({ maxConnections: 1000, duplicate });
    const descriptors = fs.readdirSync("/proc/self/fd").length;
    await knock(150);
    expect(listener.connections).toBe(64);
    expect(listener.isInPlace).toBe(true);
    await clock.advance(10);
    await until(() => listener.connections === 128);
    await clock.advance(10);
    await until(() => listener.connections === 150);
    const peer = await connect();
    peer.send(hello);
    expect(await peer.answer()).toBe(1);
    listener.hangUp();
    await until(() => fs.readdirSync("/proc/self/fd").length <= descriptors);
  },
);

test.skipIf(process.platform !== "linux")("a listener that rests is closed and bound anew like any other", async () => {
  const listener = await start({ maxConnections: 1000, duplicate, replaces: true });
  await knock(100);
  expect(listener.connections).toBe(64);
  fs.rmSync(path);
  expect(await listener.restore(() => {})).toBeUndefined();
  const peer = await connect();
  peer.send(hello);
  expect(await peer.answer()).toBe(1);
  await clock.advance(10);
  await knock(100);
  const closed = listener.close(0);
  await clock.advance(1);
  await closed;
  expect(fs.existsSync(path)).toBe(false);
  expect(await refusalOf(connect())).not.toBe("");
});

test("where the way to the socket is closed, it is in nobody's place, and the listener ends all the same", async () => {
  const inner = join(directory, "inner");
  fs.mkdirSync(inner);
  path = join(inner, "sock");
  const listener = await start();
  fs.renameSync(inner, `${inner}.moved`);
  fs.writeFileSync(inner, "");
  expect(listener.isInPlace).toBe(false);
  await listener.close(0);
});

const UIDS = { mine: 1000, other: 1001 };

/** `mine/7*` is a busy connection of my process 7; the first of a list was used least recently. */
function victimOf(text: string): string | undefined {
  const names = text.split(" ").filter(Boolean);
  const connectionOf = (name: string): Evictable => {
    const [user = "", process = ""] = name.split("/");
    const uid = UIDS[user as keyof typeof UIDS];
    const caller = { uid, gid: uid, pid: Number.parseInt(process, 10), connection: 1 };
    return { caller, isBusy: name.endsWith("*"), lastUse: names.indexOf(name) };
  };
  return chooseVictim(names, connectionOf);
}

test.each([
  ["nobody, where there is none", "", undefined],
  ["the one that has been idle longest", "mine/7* mine/07 mine/007", "mine/07"],
  ["the one used least recently where all are busy", "mine/7* mine/07*", "mine/7*"],
  ["one of the process that holds the most, however idle others are", "mine/8 mine/7* mine/07*", "mine/7*"],
  ["one of the user who holds the most, with however many processes", "other/9 mine/7* mine/8*", "mine/7*"],
])("gives up %s", (_, connections, victim) => {
  expect(victimOf(connections)).toBe(victim);
});
