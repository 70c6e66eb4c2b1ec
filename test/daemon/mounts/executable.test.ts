import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { makePrivateCopy, removeCopies, smallExecutable } from "../../../src/daemon/mounts/executable.ts";
import { type Mount, openMount } from "../../../src/daemon/mounts/mount.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { rejectionOf } from "../../thrown.ts";

const ID = "abcdefghijABCDEFGHIJ_-";
/** Big enough that a copy is under way for a while. */
const LARGE = 48 * 1024 * 1024;

let root: string;
let source: string;
let mount: Mount;

beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-executable-`);
  source = `${root}/source`;
  writeSource("one");
  mount = openMount(`${root}/home/g`, ID);
});
afterEach(() => {
  mount.close();
  fs.chmodSync(`${root}/home/g`, 0o700);
  fs.rmSync(root, { recursive: true, force: true });
});

/** Another program at the source's path, as an update leaves it: another inode, a later time. */
function writeSource(text: string): void {
  const mtimeMs = fs.statSync(source, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  fs.writeFileSync(`${source}.new`, text, { mode: 0o755 });
  if (mtimeMs > 0) fs.utimesSync(`${source}.new`, new Date(), new Date(mtimeMs + 3_600_000));
  fs.renameSync(`${source}.new`, source);
}

function privateCopy(build = "1.0+abc"): Promise<string> {
  return makePrivateCopy({ binDir: `${root}/home/bin`, build, source });
}

const place = (path = source) => mount.placeExecutable({ path, stamp: path });
/** Whoever runs this may be root, who reads it all the same. */
const COPY_MODE = process.platform === "linux" ? "111" : "500";

const modeOf = (path: string): string => (fs.lstatSync(path).mode & 0o7777).toString(8);
const inMount = (): string => `${mount.path}/keyhole`;

test("the private copy is one per build, made once, and not to be read", async () => {
  const [path, again] = await Promise.all([privateCopy(), privateCopy()]);
  expect([path, again]).toEqual([`${root}/home/bin/keyhole-1.0-abc`, path]);
  expect([modeOf(`${root}/home/bin`), modeOf(path)]).toEqual(["700", COPY_MODE]);
  fs.chmodSync(path, 0o400);
  expect(fs.readFileSync(path, "utf8")).toBe("one");
  await privateCopy();
  expect(modeOf(path)).toBe(COPY_MODE);
  const { ino } = fs.statSync(path);
  await privateCopy();
  expect(fs.statSync(path).ino).toBe(ino);
});

test("it is made once of an original from the future, too", async () => {
  fs.utimesSync(source, new Date(), new Date(Date.now() + 3_600_000.5));
  const { ino } = fs.statSync(await privateCopy());
  expect(fs.statSync(await privateCopy()).ino).toBe(ino);
});

test("those of other builds are removed, and what is no copy stays", async () => {
  removeCopies(`${root}/home/bin`, "1.0+abc");
  await privateCopy("0.9+old");
  await privateCopy();
  fs.writeFileSync(`${root}/home/bin/.keyhole-0.9-old.${crypto.randomUUID()}`, "half");
  fs.writeFileSync(`${root}/home/bin/mine`, "");
  removeCopies(`${root}/home/bin`, "1.0+abc");
  expect(fs.readdirSync(`${root}/home/bin`).toSorted()).toEqual(["keyhole-1.0-abc", "mine"]);
  removeCopies(`${root}/home/bin`, undefined);
  expect(fs.readdirSync(`${root}/home/bin`)).toEqual(["mine"]);
});

test.each(["two", "longer"])("a build whose program became %p is copied again", async (text) => {
  await privateCopy();
  writeSource(text);
  const path = await privateCopy();
  fs.chmodSync(path, 0o400);
  expect(fs.readFileSync(path, "utf8")).toBe(text);
});

test("a build's name leads nowhere else", async () => {
  expect(await privateCopy("../../1.0/x y")).toBe(`${root}/home/bin/keyhole-..-..-1.0-x-y`);
});

test("the copy in a mount can be run by anybody and shares its inode with nobody", async () => {
  await place();
  const copy = fs.lstatSync(inMount());
  expect([modeOf(inMount()), fs.readFileSync(inMount(), "utf8"), copy.nlink]).toEqual(["555", "one", 1]);
  expect(fs.statSync(source).ino).not.toBe(copy.ino);
  expect(fs.readdirSync(mount.path)).toEqual(["keyhole"]);
});

test("the copy in a mount is renewed by rename with the build, and left alone without", async () => {
  await place();
  const before = fs.statSync(inMount());
  await place();
  expect(fs.statSync(inMount())).toMatchObject({ ino: before.ino, ctimeMs: before.ctimeMs });
  writeSource("two");
  await place();
  expect(fs.readFileSync(inMount(), "utf8")).toBe("two");
  expect(fs.statSync(inMount()).ino).not.toBe(before.ino);
});

test("the copies of two builds whose originals have one size and age are told apart by their private copies", async () => {
  const stamp = async (build: string, hours: number) => {
    const path = await privateCopy(build);
    fs.utimesSync(path, new Date(), new Date(hours * 3_600_000));
    return { path: source, stamp: path };
  };
  const age = fs.statSync(source).mtime;
  await mount.placeExecutable(await stamp("1.0", 1));
  fs.writeFileSync(source, "two");
  fs.utimesSync(source, age, age);
  await mount.placeExecutable(await stamp("1.1", 2));
  expect(fs.readFileSync(inMount(), "utf8")).toBe("two");
});

test.each<[string, (path: string) => void]>([
  ["a link to the host's executable", (path) => fs.symlinkSync(source, path)],
  ["a hard link to it", (path) => fs.linkSync(source, path)],
  ["a FIFO", (path) => void Bun.spawnSync(["mkfifo", path])],
  ["a directory", (path) => fs.mkdirSync(`${path}/a`, { recursive: true })],
  ["a program that anybody may write", (path) => fs.writeFileSync(path, "one", { mode: 0o777 })],
])("%s in its place is replaced, and the host's stays as it is", async (_, plant) => {
  plant(inMount());
  await place();
  expect([modeOf(inMount()), fs.readFileSync(inMount(), "utf8")]).toEqual(["555", "one"]);
  expect([modeOf(source), fs.readFileSync(source, "utf8")]).toEqual(["755", "one"]);
});

test("copying is not done in the turn that asks for it", async () => {
  const copied = place();
  expect(fs.existsSync(inMount())).toBeFalse();
  await copied;
  expect(fs.existsSync(inMount())).toBeTrue();
});

test.each(["close", "remove"] as const)("a mount that ends while it is copied to ends well (%s)", async (end) => {
  fs.writeFileSync(source, Buffer.alloc(LARGE, "x"));
  const copied = place();
  mount[end]();
  await copied;
  expect(fs.existsSync(mount.path) ? fs.readdirSync(mount.path) : "gone").toEqual(end === "close" ? [] : "gone");
});

test("a source that is gone is an error, and leaves what was there", async () => {
  await place();
  expect(await rejectionOf(place(`${root}/none`))).toMatchObject({
    kind: "unsafe-path",
    message: `cannot copy the executable to ${inMount()} (ENOENT)`,
  });
  expect(fs.readFileSync(inMount(), "utf8")).toBe("one");
});

/** A process that holds a file system of 1 MB in a mount namespace of its own; undefined where that is not allowed. */
async function startSmallDisk() {
  const script = `mount -t tmpfs -o size=1m,mode=700 none '${root}/disk' && echo ready && exec cat`;
  const namespaces = process.geteuid?.() === 0 ? ["--mount"] : ["--mount", "--user", "--map-root-user"];
  fs.mkdirSync(`${root}/disk`);
  const holder = Bun.spawn(["unshare", ...namespaces, "sh", "-c", script], { stdin: "pipe", stderr: "ignore" });
  const { value } = await holder.stdout.getReader().read();
  if (value !== undefined) return { path: `/proc/${holder.pid}/root${root}/disk`, end: () => holder.kill() };
  await holder.exited;
  return undefined;
}

const mayUnshare =
  process.platform === "linux" &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "--mount", "--user", "--map-root-user", "true"]).exitCode === 0;

test.skipIf(!mayUnshare)("on a full disk nothing is left behind, and the error says so", async () => {
  const disk = (await startSmallDisk())!;
  try {
    fs.writeFileSync(source, Buffer.alloc(2 * 1024 * 1024, "x"));
    const small = openMount(`${disk.path}/home/g`, ID);
    try {
      small.write("env", Buffer.from("A=1\n"), 0o444);
      const error = await rejectionOf(small.placeExecutable({ path: source, stamp: source }));
      expect(error).toBeInstanceOf(KeyholeError);
      expect(error).toMatchObject({ kind: "unsafe-path", message: expect.stringContaining("ENOSPC") });
      expect(error.hint).toStartWith("df -h ");
      expect(fs.readdirSync(small.path)).toEqual(["env"]);
      // What fits still goes in.
      fs.writeFileSync(source, "small");
      await small.placeExecutable({ path: source, stamp: source });
      expect(fs.readFileSync(`${small.path}/keyhole`, "utf8")).toBe("small");
    } finally {
      small.close();
    }
  } finally {
    disk.end();
  }
});

test("from source there is no small executable", () => {
  expect(smallExecutable("x64")).toBeUndefined();
});
