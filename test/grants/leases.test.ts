import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { openMount } from "../../src/daemon/mounts/mount.ts";
import { leaseParentOf, type LeaseRoot } from "../../src/grants/leases.ts";
import { thrownBy } from "../thrown.ts";

const NAME = "abcdefghijABCDEFGHIJ_-";
const OTHER = "0123456789_-0123456789";
const SHM = "/dev/shm";
const hasMemory = fs.existsSync(SHM) && fs.statfsSync(SHM).type === 0x01021994;
const own = process.geteuid?.() ?? 0;

let disk: string;
let memory: string;

beforeEach(() => {
  disk = fs.mkdtempSync(`${tmpdir()}/keyhole-leases-`);
  memory = hasMemory ? fs.mkdtempSync(`${SHM}/keyhole-leases-`) : disk;
  for (const name of ["runtime", "run", `run/user/${own}`, "dev", "dev/shm"])
    fs.mkdirSync(`${memory}/${name}`, { recursive: true, mode: 0o700 });
});
afterEach(() => {
  for (const path of [memory, disk]) fs.rmSync(path, { recursive: true, force: true });
});

/** What lies in /dev/shm stands for any other memory; the tests' /dev is another one. */
function root(change: Partial<LeaseRoot> = {}): LeaseRoot {
  const environment = { XDG_RUNTIME_DIR: `${memory}/runtime` };
  const directories = { runDir: "/h/run", run: `${memory}/run`, devices: `${memory}/dev` };
  return { environment, uid: own, platform: "linux", ...directories, ...change };
}

test.skipIf(!hasMemory)("leases live in the runtime directory of the user", () => {
  expect(leaseParentOf(NAME, root())).toBe(`${memory}/runtime/keyhole/g`);
  const slashes = { XDG_RUNTIME_DIR: `${memory}/runtime//` };
  expect(leaseParentOf(NAME, root({ environment: slashes }))).toBe(`${memory}/runtime/keyhole/g`);
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
  ["is below /dev", () => `${memory}/dev/shm`],
  ["is /dev", () => `${memory}/dev`],
  ["is below /dev by a link above it", () => `${memory}/shm-link/deep`],
];
test.skipIf(!hasMemory).each(unfit)("a runtime directory that %s gives way to the usual one", (_, value) => {
  fs.writeFileSync(`${memory}/file`, "");
  fs.symlinkSync(`${memory}/runtime`, `${memory}/link`);
  fs.mkdirSync(`${memory}/open`);
  fs.chmodSync(`${memory}/open`, 0o777);
  fs.mkdirSync(`${memory}/dev/shm/deep`, { mode: 0o700 });
  fs.symlinkSync(`${memory}/dev/shm`, `${memory}/shm-link`);
  const environment = { XDG_RUNTIME_DIR: value() };
  expect(leaseParentOf(NAME, root({ environment }))).toBe(`${memory}/run/user/${own}/keyhole/g`);
});

test.skipIf(!hasMemory)("where there is none, /run is for whoever owns it: root", () => {
  fs.rmdirSync(`${memory}/run/user/${own}`);
  expect(leaseParentOf(NAME, root({ environment: {} }))).toBe(`${memory}/run/keyhole-${own}/g`);
});

test.skipIf(!hasMemory)("another user's directories are not ours, and deny us nothing", () => {
  const uid = own + 1;
  expect(thrownBy(() => leaseParentOf(NAME, root({ uid })))).toMatchObject({ kind: "unsafe-path" });
  // Squatted where a former version put leases.
  fs.mkdirSync(`${memory}/dev/shm/keyhole-${own}/g/${NAME}`, { recursive: true });
  if (own !== 0) return;
  fs.chownSync(`${memory}/dev/shm/keyhole-${own}/g/${NAME}`, 65_534, 65_534);
  expect(leaseParentOf(NAME, root())).toBe(`${memory}/runtime/keyhole/g`);
});

test.skipIf(!hasMemory)("a lease that is there already stays where it is, also below /dev", () => {
  const parents = { [NAME]: `${memory}/run/user/${own}/keyhole/g`, [OTHER]: `${memory}/dev/shm/keyhole-${own}/g` };
  for (const [name, parent] of Object.entries(parents)) {
    openMount(parent, name).close();
    expect(leaseParentOf(name, root())).toBe(parent);
    fs.chmodSync(parent, 0o700);
  }
});

test.skipIf(!hasMemory)("a daemon without XDG_RUNTIME_DIR finds the lease of one that had it", () => {
  openMount(leaseParentOf(NAME, root({ environment: { XDG_RUNTIME_DIR: `${memory}/run/user/${own}` } })), NAME).close();
  expect(leaseParentOf(NAME, root({ environment: {} }))).toBe(`${memory}/run/user/${own}/keyhole/g`);
  fs.chmodSync(`${memory}/run/user/${own}/keyhole/g`, 0o700);
});

test("where nothing is in memory leases are refused, with a command that makes a place; except on macOS", () => {
  const none = { environment: { XDG_RUNTIME_DIR: disk }, run: `${disk}/run` };
  expect(thrownBy(() => leaseParentOf(NAME, root(none)))).toMatchObject({
    kind: "unsafe-path",
    hint: `sudo mkdir -p ${disk}/run/user/${own} && sudo mount -t tmpfs -o uid=${own},mode=0700 tmpfs ${disk}/run/user/${own}`,
  });
  expect(leaseParentOf(NAME, root({ ...none, platform: "darwin" }))).toBe("/h/run/g");
});
