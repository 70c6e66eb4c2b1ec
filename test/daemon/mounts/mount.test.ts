import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { Worker } from "node:worker_threads";
import { type Mount, openMount } from "../../../src/daemon/mounts/mount.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { until } from "../../processes.ts";
import { thrownBy } from "../../thrown.ts";
import { asOrdinaryUser } from "../../users.ts";
import type { Orders } from "../fakes/swapper.ts";

const ID = "abcdefghijABCDEFGHIJ_-";
const OTHER = "0123456789_-0123456789";

let root: string;
let parent: string;
let opened: Mount[];

beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-mount-`);
  parent = `${root}/home/g`;
  opened = [];
});
afterEach(() => {
  for (const mount of opened) mount.close();
  // Its owner cannot list it, and so not remove it, unless that is root.
  if (fs.existsSync(parent)) fs.chmodSync(parent, 0o700);
  fs.rmSync(root, { recursive: true, force: true });
});

function open(id: string = ID): Mount {
  const mount = openMount(parent, id);
  opened.push(mount);
  return mount;
}

const modeOf = (path: string): string => (fs.lstatSync(path).mode & 0o7777).toString(8);
const namesIn = (path: string): string[] => fs.readdirSync(path).toSorted();
const bytes = (text: string): Uint8Array => Buffer.from(text);
const makeFifo = (path: string): void => void Bun.spawnSync(["mkfifo", path]);

test.each([0o077, 0o027, 0o000])("the modes are those of the design under umask %o", (umask) => {
  const previous = process.umask(umask);
  try {
    const mount = open();
    mount.write("env", bytes("A=1\n"), 0o444);
    expect([parent, mount.path, `${mount.path}/env`].map(modeOf)).toEqual(["311", "755", "444"]);
    expect(fs.statSync(`${root}/home`).mode & 0o077).toBe(0);
  } finally {
    process.umask(previous);
  }
});

test("what a sandbox closed has no weight, and stops nobody who asks for it", async () => {
  await asOrdinaryUser([root], async () => {
    const mount = open();
    await mount.placeExecutable(bytes("small"));
    expect(mount.executableBytes()).toBeGreaterThan(0);
    fs.chmodSync(mount.path, 0);
    expect(mount.executableBytes()).toBe(0);
    mount.remove();
  });
});

test("a file is replaced by another, and where nothing changes it is not touched", () => {
  const mount = open();
  const path = `${mount.path}/aws-config`;
  mount.write("aws-config", bytes("old"), 0o444);
  const before = fs.statSync(path);
  mount.write("aws-config", bytes("old"), 0o444);
  expect(fs.statSync(path)).toMatchObject({ ino: before.ino, ctimeMs: before.ctimeMs });
  const reader = fs.openSync(path, "r");
  mount.write("aws-config", bytes("new"), 0o444);
  expect([fs.readFileSync(reader, "utf8"), fs.readFileSync(path, "utf8")]).toEqual(["old", "new"]);
  fs.closeSync(reader);
  mount.write("aws-config", bytes("new"), 0o400);
  expect(modeOf(path)).toBe("400");
  expect(namesIn(mount.path)).toEqual(["aws-config"]);
});

test("the directory stays the same one over writes, a restart and healing", () => {
  const first = open();
  const { ino } = fs.statSync(first.path);
  first.write("env", bytes("A=1\n"), 0o444);
  fs.chmodSync(first.path, 0);
  first.write("env", bytes("A=2\n"), 0o444);
  first.close();
  fs.chmodSync(parent, 0o700);
  fs.chmodSync(`${parent}/${ID}`, 0);
  const second = open();
  expect(fs.statSync(second.path).ino).toBe(ino);
  expect(fs.fstatSync(second.descriptor).ino).toBe(ino);
  expect(modeOf(second.path)).toBe("755");
  // A sandbox's doing, or a person's.
  expect(modeOf(parent)).toBe("311");
});

test("what a killed daemon had not finished is removed, and nothing else", () => {
  const mount = open();
  fs.writeFileSync(`${mount.path}/.lease.json.${crypto.randomUUID()}`, "half a secret");
  fs.writeFileSync(`${mount.path}/.keyhole.${crypto.randomUUID()}`, "half a program");
  fs.writeFileSync(`${mount.path}/.hidden`, "");
  fs.writeFileSync(`${mount.path}/sock`, "");
  mount.close();
  expect(namesIn(open().path)).toEqual([".hidden", "sock"]);
});

function expectVictimWell(): void {
  expect(namesIn(`${root}/victim`)).toEqual(["precious"]);
  expect(fs.readFileSync(`${root}/victim/precious`, "utf8")).toBe("new");
  expect(modeOf(`${root}/victim/precious`)).toBe("600");
}

describe("what is in the way", () => {
  const planted: [string, (path: string) => void][] = [
    ["a link to a file", (path) => fs.symlinkSync(`${root}/victim/precious`, path)],
    ["a link to a directory", (path) => fs.symlinkSync(`${root}/victim`, path)],
    ["a link to nowhere", (path) => fs.symlinkSync(`${root}/victim/new`, path)],
    ["a hard link", (path) => fs.linkSync(`${root}/victim/precious`, path)],
    ["a FIFO", makeFifo],
    ["an empty directory", (path) => fs.mkdirSync(path)],
    [
      "a tree with a link",
      (path) => {
        fs.mkdirSync(`${path}/a/b`, { recursive: true });
        fs.symlinkSync(`${root}/victim`, `${path}/a/b/c`);
        fs.chmodSync(`${path}/a`, 0);
      },
    ],
    ["another text of the same length", (path) => fs.writeFileSync(path, "NEW", { mode: 0o444 })],
  ];

  beforeEach(() => {
    fs.mkdirSync(`${root}/victim`);
    fs.writeFileSync(`${root}/victim/precious`, "new", { mode: 0o600 });
  });

  test.each(planted)("%s is replaced by our file, and what it leads to stays", (_, plant) => {
    const mount = open();
    plant(`${mount.path}/env`);
    mount.write("env", bytes("new"), 0o444);
    expect(fs.lstatSync(`${mount.path}/env`)).toMatchObject({ nlink: 1 });
    expect([fs.readFileSync(`${mount.path}/env`, "utf8"), modeOf(`${mount.path}/env`)]).toEqual(["new", "444"]);
    expect(namesIn(mount.path)).toEqual(["env"]);
    expectVictimWell();
  });

  test.each(planted)("%s goes with the directory, and what it leads to stays", (_, plant) => {
    const mount = open();
    plant(`${mount.path}/anything`);
    mount.remove();
    expect(fs.existsSync(mount.path)).toBeFalse();
    expectVictimWell();
  });

  test.skipIf(process.platform !== "linux")(
    "nothing outside is touched while somebody swaps entries in a loop, and at its end all is put right",
    async () => {
      const mount = open();
      const files = ["aws-config", "env", "lease.json"] as const;
      const orders: Orders = { directory: mount.path, victim: `${root}/victim`, names: files };
      const worker = new Worker(new URL("../fakes/swapper.ts", import.meta.url), { workerData: orders });
      try {
        await until(() => namesIn(mount.path).length >= files.length);
        let written = 0;
        for (let round = 0; round < 1_500; round++) {
          try {
            mount.write(files[round % 3]!, bytes(`round ${round}`), 0o444);
            written += 1;
          } catch (error) {
            expect(error).toBeInstanceOf(KeyholeError);
          }
          if (round % 10 === 0) await Bun.sleep(0);
        }
        expect(written).toBeGreaterThan(0);
      } finally {
        await worker.terminate();
      }
      for (const name of files) mount.write(name, bytes("new"), 0o444);
      expect(files.map((name) => fs.readFileSync(`${mount.path}/${name}`, "utf8"))).toEqual(["new", "new", "new"]);
      expectVictimWell();
      mount.remove();
      expect(fs.existsSync(mount.path)).toBeFalse();
      expectVictimWell();
    },
    20_000,
  );
});

test("a parent that others could write to is mended: what they put there is not ours, and is refused one by one", () => {
  fs.mkdirSync(parent, { recursive: true, mode: 0o700 });
  fs.chmodSync(parent, 0o733);
  open();
  expect(modeOf(parent)).toBe("311");
});

describe("a place that is not safe", () => {
  test.each(["home/g", `home/g/${ID}`])("is a link in the place of %s", (place) => {
    const mount = open();
    mount.close();
    fs.chmodSync(parent, 0o700);
    fs.renameSync(`${root}/${place}`, `${root}/elsewhere`);
    fs.symlinkSync(`${root}/elsewhere`, `${root}/${place}`);
    const before = namesIn(`${root}/elsewhere`);
    expect(thrownBy(() => open())).toMatchObject({ kind: "unsafe-path", message: expect.stringContaining(place) });
    expect(namesIn(`${root}/elsewhere`)).toEqual(before);
    fs.unlinkSync(`${root}/${place}`);
    fs.renameSync(`${root}/elsewhere`, `${root}/${place}`);
  });

  test.skipIf(process.geteuid?.() !== 0)("is a directory that was given to another user (needs root)", () => {
    const mount = open();
    fs.chownSync(mount.path, 65534, 65534);
    for (const act of [() => mount.write("env", bytes(""), 0o444), () => open()]) {
      expect(thrownBy(act)).toMatchObject({ kind: "unsafe-path" });
    }
  });

  test.each(["", "..", `../${"x".repeat(19)}`, `${ID}x`, "a".repeat(21)])("is the id %p", (id) => {
    expect(thrownBy(() => open(id)).kind).toBe("internal");
    expect(fs.existsSync(`${root}/home`)).toBeFalse();
  });
});

test("a socket can be renamed to where a directory was", () => {
  const mount = open();
  fs.mkdirSync(`${mount.path}/sock/a`, { recursive: true });
  const path = mount.makeWay("sock");
  fs.writeFileSync(`${path}.1`, "");
  fs.renameSync(`${path}.1`, path);
  expect(namesIn(mount.path)).toEqual(["sock"]);
  // What can be renamed over stays until it is: a client may be connecting.
  expect([mount.makeWay("sock"), namesIn(mount.path)]).toEqual([path, ["sock"]]);
});

test("removing one leaves the others, and whoever holds the directory open sees it empty", () => {
  const [mount, other] = [open(), open(OTHER)];
  for (const each of [mount, other]) each.write("env", bytes("A=1\n"), 0o444);
  const held = fs.openSync(mount.path, "r");
  mount.remove();
  expect([fs.existsSync(mount.path), fs.existsSync(`${other.path}/env`)]).toEqual([false, true]);
  expect(fs.fstatSync(held).nlink).toBe(0);
  fs.closeSync(held);
});

test("removing leaves another directory that stands at its path", () => {
  const mount = open();
  fs.chmodSync(parent, 0o700);
  fs.renameSync(mount.path, `${parent}/moved`);
  fs.mkdirSync(mount.path);
  mount.remove();
  expect(fs.existsSync(mount.path)).toBeTrue();
});

test("nothing is done through the descriptor of a mount that is closed", () => {
  const mount = open();
  mount.close();
  mount.close();
  // Takes the number that was freed.
  const taken = fs.openSync(root, "r");
  expect(thrownBy(() => mount.write("env", bytes(""), 0o444)).kind).toBe("internal");
  expect(thrownBy(() => mount.remove()).kind).toBe("internal");
  expect(fs.fstatSync(taken).isDirectory()).toBeTrue();
  fs.closeSync(taken);
});

test("a directory that is gone is an error that names it, and its files are made nowhere else", () => {
  const mount = open();
  fs.rmdirSync(mount.path);
  expect(thrownBy(() => mount.write("env", bytes(""), 0o444))).toMatchObject({
    kind: "unsafe-path",
    message: expect.stringContaining(mount.path),
  });
});
