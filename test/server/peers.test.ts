import { expect, test } from "bun:test";
import { readdirSync, realpathSync } from "node:fs";
import { createIdentify, MOST_HELD, peerOf } from "../../src/server/peers.ts";
import { loadNative } from "../../src/native/load.ts";
import { acceptOne } from "../daemon/fakes/peers.ts";

const native = loadNative();
const onLinux = test.skipIf(process.platform !== "linux");
const bun = realpathSync(process.execPath);

const countDescriptors = () => readdirSync("/proc/self/fd").length;

/** The kernel's own witness, and that of a kernel without SO_PEERPIDFD. */
const ways = [
  ["by the kernel", native],
  ["by the start time", { ...native, isPeerAlive: () => undefined, holdPeer: () => undefined }],
] as const;

onLinux.each(ways)("a peer is described by uid, gid, pid and executable, %s", async (_, by) => {
  await using accepted = await acceptOne();
  const peer = createIdentify(by, process.pid)(accepted.socket);
  expect(peerOf(peer)).toEqual({ uid: process.getuid!(), gid: process.getgid!(), pid: accepted.pid, executable: bun });
});

onLinux.each(ways)(
  "a connection that was passed on marks its peer as exited, and names no other program, %s",
  async (_, by) => {
    await using accepted = await acceptOne();
    const peer = createIdentify(by, process.pid)(accepted.socket);
    await accepted.passOn();
    expect(peerOf(peer)).toMatchObject({ pid: accepted.pid, executable: bun, exited: true });
  },
);

onLinux("who is looked at only when something is written down costs nothing until then", async () => {
  await using first = await acceptOne();
  await using second = await acceptOne();
  let asked = 0;
  const spy = { ...native, isPeerAlive: (descriptor: number) => (asked++, native.isPeerAlive(descriptor)) };
  const identify = createIdentify(spy, process.pid, "question");
  // The first shows whether the kernel can tell later.
  identify(first.socket);
  if (native.isPeerAlive((first.socket as { fd: number }).fd) === undefined) return;
  const before = asked;
  const peer = identify(second.socket);
  expect(asked).toBe(before);
  expect(peerOf(peer)).toMatchObject({ pid: second.pid, executable: bun });
  await second.passOn();
  expect(peerOf(peer)).toMatchObject({ pid: second.pid, executable: bun, exited: true });
});

onLinux("who ended before that is marked, and named by no program", async () => {
  await using first = await acceptOne();
  await using second = await acceptOne();
  const identify = createIdentify(native, process.pid, "question");
  identify(first.socket);
  const peer = identify(second.socket);
  await second.passOn();
  expect(peerOf(peer)).toMatchObject({ pid: second.pid, exited: true });
  const closed = identify(first.socket);
  await first.close();
  expect(peerOf(closed)).not.toHaveProperty("exited");
});

onLinux("where only the start time tells, nobody is looked at later", async () => {
  await using first = await acceptOne();
  await using second = await acceptOne();
  const identify = createIdentify({ ...native, isPeerAlive: () => undefined }, process.pid, "question");
  const peers = [identify(first.socket), identify(second.socket)];
  await Promise.all([first.passOn(), second.passOn()]);
  for (const peer of peers) expect(peerOf(peer)).toMatchObject({ executable: bun, exited: true });
});

onLinux("a process that ended before it was looked at has no executable, whoever has its pid now", async () => {
  await using accepted = await acceptOne();
  const { uid, gid } = native.peerIdentity((accepted.socket as { fd: number }).fd);
  await accepted.passOn();
  // The pid is another program's by now: this one's.
  const reused = { ...native, peerIdentity: () => ({ uid, gid, pid: process.pid }) };
  const peer = createIdentify(reused, process.pid)(accepted.socket);
  expect(peerOf(peer)).toEqual({ uid, gid, pid: process.pid, exited: true });
});

onLinux(
  "after the connection was closed nothing is said of the process, and nobody else's descriptor is asked",
  async () => {
    await using accepted = await acceptOne();
    const asked: number[] = [];
    const spy = {
      ...native,
      isPeerAlive: (descriptor: number) => {
        asked.push(descriptor);
        return native.isPeerAlive(descriptor);
      },
    };
    const peer = createIdentify(spy, process.pid)(accepted.socket);
    await accepted.passOn();
    await accepted.close();
    expect(peerOf(peer)).not.toHaveProperty("exited");
    expect(asked).toHaveLength(1);
  },
);

onLinux("a /proc of another pid namespace is not believed", async () => {
  await using accepted = await acceptOne();
  for (const [, by] of ways) {
    expect(peerOf(createIdentify(by, process.pid + 1)(accepted.socket))).not.toHaveProperty("executable");
  }
});

onLinux("looking at many peers, each again and again, leaves few descriptors open", async () => {
  await using accepted = await acceptOne();
  const identify = createIdentify(native, process.pid);
  const before = countDescriptors();
  for (let times = 0; times < 100; times++) {
    const { fd } = accepted.socket as { fd: number };
    const peer = identify({ fd });
    peerOf(peer);
    if (times === 0) expect(countDescriptors()).toBe(before);
    for (let more = 0; more < 10; more++) peerOf(peer);
  }
  expect(countDescriptors() - before).toBeLessThanOrEqual(MOST_HELD);
});

onLinux("who asks again and again is marked as soon as it has ended", async () => {
  await using accepted = await acceptOne();
  const peer = createIdentify(native, process.pid)(accepted.socket);
  for (let times = 0; times < 3; times++) expect(peerOf(peer)).not.toHaveProperty("exited");
  await accepted.passOn();
  for (let times = 0; times < 3; times++) expect(peerOf(peer)).toMatchObject({ pid: accepted.pid, exited: true });
});

test("of a pid namespace that cannot be seen from here the kernel says 0, and the audit nothing", () => {
  expect(peerOf({ uid: 1, gid: 2, pid: 0 })).toEqual({ uid: 1, gid: 2 });
  expect(peerOf({ uid: 1, gid: 2, pid: undefined })).toEqual({ uid: 1, gid: 2 });
});

test("a peer that cannot be identified is an error, so that its connection is refused", () => {
  const identify = createIdentify(native, process.pid);
  expect(() => identify({ fd: -1 })).toThrow();
});
