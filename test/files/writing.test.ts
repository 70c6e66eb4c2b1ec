import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import {
  openOwnFile,
  removeFile,
  renameExclusively,
  replaceForeign,
  writeAtomically,
} from "../../src/files/writing.ts";
import { thrownBy } from "../thrown.ts";

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-writing-`);
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

const read = (name: string) => fs.readFileSync(`${root}/${name}`, "utf8");

test.each([true, false])("a file is replaced for its owner alone, and no other file stays (durable: %p)", (durable) => {
  fs.writeFileSync(`${root}/a`, "old", { mode: 0o644 });
  expect(writeAtomically(`${root}/a`, "new", { exclusive: false, durable })).toBeTrue();
  expect(read("a")).toBe("new");
  expect(fs.statSync(`${root}/a`).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(root)).toEqual(["a"]);
});

test("who reads the file while it is replaced goes on reading the old text (E-044)", () => {
  fs.writeFileSync(`${root}/a`, "old");
  const descriptor = fs.openSync(`${root}/a`, "r");
  writeAtomically(`${root}/a`, "new", { exclusive: false, durable: false });
  expect(fs.readFileSync(descriptor, "utf8")).toBe("old");
  fs.closeSync(descriptor);
});

test("a link in the way is replaced, and what it leads to stays", () => {
  fs.writeFileSync(`${root}/target`, "kept");
  fs.symlinkSync(`${root}/target`, `${root}/a`);
  writeAtomically(`${root}/a`, "new", { exclusive: false, durable: false });
  expect([read("a"), read("target")]).toEqual(["new", "kept"]);
});

test("an exclusive writer, and a new name, take nobody's place", () => {
  fs.writeFileSync(`${root}/a`, "a");
  fs.writeFileSync(`${root}/b`, "b");
  expect(writeAtomically(`${root}/a`, "new", { exclusive: true, durable: true })).toBeFalse();
  expect(renameExclusively(`${root}/a`, `${root}/b`)).toBeFalse();
  expect([read("a"), read("b")]).toEqual(["a", "b"]);
  expect(renameExclusively(`${root}/a`, `${root}/c`)).toBeTrue();
  expect(fs.readdirSync(root).toSorted()).toEqual(["b", "c"]);
});

test("what is not there cannot be removed, and is no error", () => {
  fs.writeFileSync(`${root}/a`, "a");
  expect([removeFile(`${root}/a`), removeFile(`${root}/a`)]).toEqual([true, false]);
});

test("a path that cannot be written names itself, the reason and where to look", () => {
  const write = () => writeAtomically(`${root}/no such/a`, "", { exclusive: false, durable: true });
  expect(write).toThrow(`cannot write ${root}/no such/a (ENOENT)`);
  expect(write).toThrow(expect.objectContaining({ kind: "unsafe-path", hint: `ls -ld '${root}/no such'` }));
});

test("a file that stays open is made for its owner alone, and is neither a link nor a FIFO", () => {
  const { O_WRONLY, O_RDWR } = fs.constants;
  fs.closeSync(openOwnFile(`${root}/a`, O_WRONLY, "log file"));
  expect(fs.statSync(`${root}/a`).mode & 0o777).toBe(0o600);
  fs.symlinkSync(`${root}/a`, `${root}/link`);
  expect(() => openOwnFile(`${root}/link`, O_WRONLY, "log file")).toThrow("cannot open the log file");
  Bun.spawnSync(["mkfifo", `${root}/fifo`]);
  expect(() => openOwnFile(`${root}/fifo`, O_RDWR, "log file")).toThrow("is not a regular file");
});

test.each(["link", "file"])("a %s that stands at the name of the copy is not written to", (what) => {
  const uuid = crypto.randomUUID();
  const naming = spyOn(crypto, "randomUUID").mockReturnValue(uuid);
  const directory = fs.mkdtempSync(`${root}/planted-`);
  const planted = `${directory}/.dev.yaml.${process.pid}.${uuid}`;
  fs.writeFileSync(`${directory}/victim`, "untouched");
  if (what === "link") fs.symlinkSync("victim", planted);
  else fs.linkSync(`${directory}/victim`, planted);
  try {
    const write = () => writeAtomically(`${directory}/dev.yaml`, "new", { exclusive: false, durable: false });
    expect(thrownBy(write).message).toContain("EEXIST");
  } finally {
    naming.mockRestore();
  }
  expect(fs.readFileSync(`${directory}/victim`, "utf8")).toBe("untouched");
});

test("a file that is not keyhole's keeps its mode and its link, and what it was lies beside it", () => {
  fs.mkdirSync(`${root}/dots`);
  fs.writeFileSync(`${root}/dots/config`, "old", { mode: 0o640 });
  fs.chmodSync(`${root}/dots/config`, 0o640);
  fs.symlinkSync("dots/config", `${root}/config`);
  replaceForeign(`${root}/config`, "old", "new");
  expect([read("dots/config"), read("dots/config.keyhole-backup")]).toEqual(["new", "old"]);
  expect(fs.statSync(`${root}/dots/config`).mode & 0o777).toBe(0o640);
  expect(fs.lstatSync(`${root}/config`).isSymbolicLink()).toBeTrue();
  replaceForeign(`${root}/deep/new`, "", "first");
  expect(fs.readdirSync(`${root}/deep`)).toEqual(["new"]);
  expect(fs.statSync(`${root}/deep/new`).mode & 0o777).toBe(0o600);
});

test("a file that changed since it was read, or has bytes that are no text, is left alone", () => {
  for (const [before, bytes] of [
    ["old", Buffer.from("other")],
    ["old", Buffer.from("old and longer")],
    ["o\ufffd", Buffer.from([0x6f, 0xff])],
  ] as const) {
    fs.writeFileSync(`${root}/a`, bytes);
    expect(() => replaceForeign(`${root}/a`, before, "new")).toThrow("changed meanwhile");
    expect(fs.readFileSync(`${root}/a`).equals(bytes)).toBeTrue();
    expect(fs.readdirSync(root)).toEqual(["a"]);
  }
});

test("on a full disk the file stays as it was, whole, and nothing is left beside it", () => {
  fs.writeFileSync(`${root}/a`, "old");
  const writing = spyOn(fs, "writeFileSync").mockImplementation(() => {
    throw Object.assign(new Error("full"), { code: "ENOSPC" });
  });
  try {
    expect(thrownBy(() => replaceForeign(`${root}/a`, "old", "new"))).toMatchObject({
      message: expect.stringContaining("(ENOSPC)"),
      hint: expect.stringContaining("df -h"),
    });
  } finally {
    writing.mockRestore();
  }
  expect(read("a")).toBe("old");
  expect(fs.readdirSync(root)).toEqual(["a"]);
});
