import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { pinDirectory } from "../../../src/daemon/mounts/pinned.ts";
import { thrownBy } from "../../thrown.ts";

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-pinned-`);
  fs.mkdirSync(`${root}/a`);
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

test.skipIf(!fs.existsSync("/proc/self/fd"))("what is done through it is done in it, wherever it stands by now", () => {
  const pinned = pinDirectory(`${root}/a`);
  fs.renameSync(`${root}/a`, `${root}/b`);
  fs.mkdirSync(`${root}/a`);
  fs.writeFileSync(`${pinned.base()}/file`, "");
  expect([fs.readdirSync(`${root}/a`), fs.readdirSync(`${root}/b`)]).toEqual([[], ["file"]]);
  expect(pinned.isFirm).toBeTrue();
  pinned.close();
});

test("a directory that its owner cannot read is opened as well", () => {
  fs.chmodSync(`${root}/a`, 0o311);
  const pinned = pinDirectory(`${root}/a`);
  fs.mkdirSync(`${pinned.base()}/inner`);
  expect(pinned.stats().mode & 0o777).toBe(0o311);
  pinned.close();
  fs.chmodSync(`${root}/a`, 0o700);
});

test.each<[string, (path: string) => void, string]>([
  ["a link", (path) => fs.symlinkSync(`${root}/a`, path), "is a link or a file, not a directory"],
  ["a file", (path) => fs.writeFileSync(path, ""), "is a link or a file, not a directory"],
  ["nothing", () => {}, "(ENOENT)"],
])("%s is refused", (_, make, words) => {
  make(`${root}/x`);
  expect(thrownBy(() => pinDirectory(`${root}/x`))).toMatchObject({
    kind: "unsafe-path",
    message: expect.stringContaining(words),
  });
});

test("one that is closed leads nowhere, and is closed once", () => {
  const pinned = pinDirectory(`${root}/a`);
  pinned.close();
  const taken = fs.openSync(root, "r");
  pinned.close();
  expect(fs.fstatSync(taken).isDirectory()).toBeTrue();
  expect([thrownBy(() => pinned.base()).kind, thrownBy(() => pinned.stats()).kind]).toEqual(["internal", "internal"]);
  fs.closeSync(taken);
});
