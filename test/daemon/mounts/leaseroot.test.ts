import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { leaseParentOf, type LeasePlaces } from "../../../src/daemon/mounts/leaseroot.ts";
import { openMount } from "../../../src/daemon/mounts/mount.ts";
import { thrownBy } from "../../thrown.ts";

const ID = "abcdefghijABCDEFGHIJ_-";
const SHM = "/dev/shm";
const hasMemory = fs.existsSync(SHM) && fs.statfsSync(SHM).type === 0x01021994;
const own = process.geteuid?.() ?? 0;

let disk: string;
let memory: string;

beforeEach(() => {
  disk = fs.mkdtempSync(`${tmpdir()}/keyhole-leases-`);
  memory = hasMemory ? fs.mkdtempSync(`${SHM}/keyhole-leases-`) : disk;
  fs.mkdirSync(`${memory}/shm`);
  fs.mkdirSync(`${memory}/runtime`, { mode: 0o700 });
});
afterEach(() => {
  for (const root of [memory, disk]) fs.rmSync(root, { recursive: true, force: true });
});

function places(change: Partial<LeasePlaces> = {}): LeasePlaces {
  const environment = { XDG_RUNTIME_DIR: `${memory}/runtime` };
  const directories = { runDir: "/h/run", sharedMemory: `${memory}/shm`, userRuntimes: `${memory}/users` };
  return { environment, uid: own, platform: "linux", ...directories, ...change };
}

test.skipIf(!hasMemory)("leases live in the runtime directory of the user", () => {
  expect(leaseParentOf(ID, places())).toBe(`${memory}/runtime/keyhole/g`);
  const slashes = { XDG_RUNTIME_DIR: `${memory}/runtime//` };
  expect(leaseParentOf(ID, places({ environment: slashes }))).toBe(`${memory}/runtime/keyhole/g`);
});

const unfit: [string, () => string | undefined][] = [
  ["is not set", () => undefined],
  ["is empty", () => ""],
  ["is relative", () => "run"],
  ["does not exist", () => `${memory}/none`],
  ["is on a disk", () => disk],
  ["is a file", () => `${memory}/file`],
  ["is a link", () => `${memory}/link`],
  ["can be written by others", () => `${memory}/open`],
];
test.skipIf(!hasMemory).each(unfit)("a runtime directory that %s gives way to shared memory", (_, value) => {
  fs.writeFileSync(`${memory}/file`, "");
  fs.symlinkSync(`${memory}/runtime`, `${memory}/link`);
  fs.mkdirSync(`${memory}/open`);
  fs.chmodSync(`${memory}/open`, 0o777);
  const environment = { XDG_RUNTIME_DIR: value() };
  expect(leaseParentOf(ID, places({ environment }))).toBe(`${memory}/shm/keyhole-${own}/g`);
});

test.skipIf(!hasMemory)("another user's runtime directory is not ours", () => {
  expect(leaseParentOf(ID, places({ uid: own + 1 }))).toBe(`${memory}/shm/keyhole-${own + 1}/g`);
});

test.skipIf(!hasMemory)("a lease that is there already stays where it is", () => {
  openMount(leaseParentOf(ID, places({ environment: {} })), ID).close();
  expect(leaseParentOf(ID, places())).toBe(`${memory}/shm/keyhole-${own}/g`);
  expect(leaseParentOf("0123456789_-0123456789", places())).toBe(`${memory}/runtime/keyhole/g`);
  fs.chmodSync(`${memory}/shm/keyhole-${own}/g`, 0o700);
});

test.skipIf(!hasMemory)("a daemon without XDG_RUNTIME_DIR finds the lease of one that had it", () => {
  const runtime = `${memory}/users/${own}`;
  fs.mkdirSync(runtime, { recursive: true, mode: 0o700 });
  const environment = { XDG_RUNTIME_DIR: runtime };
  openMount(leaseParentOf(ID, places({ environment })), ID).close();
  expect(leaseParentOf(ID, places({ environment: {} }))).toBe(`${runtime}/keyhole/g`);
  expect(leaseParentOf("0123456789_-0123456789", places({ environment: {} }))).toBe(`${memory}/shm/keyhole-${own}/g`);
  fs.chmodSync(`${runtime}/keyhole/g`, 0o700);
});

test.skipIf(!hasMemory || own !== 0)("a squatted directory in shared memory is refused (needs root)", () => {
  fs.chmodSync(`${memory}/shm`, 0o1777);
  fs.mkdirSync(`${memory}/shm/keyhole-${own}`);
  fs.chownSync(`${memory}/shm/keyhole-${own}`, 65534, 65534);
  expect(thrownBy(() => openMount(leaseParentOf(ID, places({ environment: {} })), ID))).toMatchObject({
    kind: "unsafe-path",
    message: expect.stringContaining("belongs to another user"),
  });
});

test("where nothing is in memory leases are refused, except on macOS, which has nothing", () => {
  const none = { environment: { XDG_RUNTIME_DIR: disk }, sharedMemory: `${disk}/shm` };
  expect(thrownBy(() => leaseParentOf(ID, places(none)))).toMatchObject({ kind: "unsafe-path" });
  expect(leaseParentOf(ID, places({ ...none, platform: "darwin" }))).toBe("/h/run/g");
});
