import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { removeEntries } from "../../../src/daemon/mounts/clearing.ts";
import { type Pinned, pinDirectory } from "../../../src/daemon/mounts/pinned.ts";
import { thrownBy } from "../../thrown.ts";

let root: string;
let directory: Pinned;

beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-clearing-`);
  fs.mkdirSync(`${root}/ours`);
  fs.mkdirSync(`${root}/victim/inner`, { recursive: true });
  fs.writeFileSync(`${root}/victim/inner/precious`, "");
  directory = pinDirectory(`${root}/ours`);
});
afterEach(() => {
  directory.close();
  // Not rmSync alone: one test leaves a tree that is deeper than a path may be long.
  Bun.spawnSync(["rm", "-rf", root]);
});

const left = (): string[] => fs.readdirSync(`${root}/ours`);

test("an entry is removed with all that is in it, and links lead nowhere", () => {
  const path = `${root}/ours/entry`;
  fs.mkdirSync(`${path}/a/b/c`, { recursive: true });
  fs.symlinkSync(`${root}/victim`, `${path}/a/link`);
  fs.symlinkSync(`${root}/victim/inner`, `${path}/a/b/c/link`);
  fs.writeFileSync(`${path}/a/b/file`, "");
  fs.chmodSync(`${path}/a/b`, 0);
  removeEntries(directory, ["entry"]);
  fs.symlinkSync(`${root}/victim`, path);
  removeEntries(directory, ["entry"]);
  expect([left(), fs.existsSync(`${root}/victim/inner/precious`)]).toEqual([[], true]);
});

test("what is not there is no error", () => {
  removeEntries(directory, ["entry"]);
  expect(left()).toEqual([]);
});

test("a tree deeper than a path may be long is removed", () => {
  const name = "d".repeat(250);
  let deepest = pinDirectory(`${root}/ours`);
  for (let depth = 0; depth < 40; depth++) {
    fs.mkdirSync(`${deepest.base()}/${name}`);
    const inner = pinDirectory(name, `${deepest.base()}/${name}`);
    deepest.close();
    deepest = inner;
  }
  deepest.close();
  removeEntries(directory, [name]);
  expect(left()).toEqual([]);
});

test.each<[string, (index: number) => void]>([
  ["directories", (index) => fs.mkdirSync(`${root}/ours/entry/${index}`)],
  ["files", (index) => fs.writeFileSync(`${root}/ours/entry/${index}`, "")],
])("a directory that holds too many %s is left to a person", (_, plant) => {
  fs.mkdirSync(`${root}/ours/entry`);
  for (let index = 0; index < 251; index++) plant(index);
  expect(thrownBy(() => removeEntries(directory, ["entry"]))).toMatchObject({
    kind: "unsafe-path",
    message: `there is too much in ${root}/ours`,
    hint: `rm -r ${root}/ours`,
  });
});

test("without /proc a directory that is not empty is left to a person, and an empty one is removed", () => {
  const soft: Pinned = { ...directory, isFirm: false, base: () => directory.path };
  fs.mkdirSync(`${root}/ours/empty`);
  removeEntries(soft, ["empty"]);
  fs.mkdirSync(`${root}/ours/full/inner`, { recursive: true });
  expect(thrownBy(() => removeEntries(soft, ["full"])).hint).toBe(`rm -r ${root}/ours/full`);
  expect(left()).toEqual(["full"]);
});
