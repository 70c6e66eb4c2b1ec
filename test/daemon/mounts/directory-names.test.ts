import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import type { LimitedLog, LogFields } from "../../../src/server/log.ts";
import { openMount } from "../../../src/daemon/mounts/mount.ts";
import { createDirectoryNames } from "../../../src/daemon/mounts/directory-names.ts";
import { grantIdOf, isDirectoryName } from "../../../src/grants/names.ts";

const NAME = "abcdefghijABCDEFGHIJ_-";

let home: string;
let parent: string;
let lines: { event: string; fields: LogFields | undefined }[];

beforeEach(() => {
  home = fs.mkdtempSync(`${tmpdir()}/keyhole-names-`);
  parent = `${home}/g`;
  lines = [];
});
afterEach(() => {
  if (fs.existsSync(parent)) fs.chmodSync(parent, 0o700);
  fs.rmSync(home, { recursive: true });
});

const log: LimitedLog = (_, event, fields) => void lines.push({ event, fields: fields as LogFields });
const open = () => {
  const names = createDirectoryNames(parent);
  return { ...names, resolve: (id: string) => names.resolve(id, "agent", log) };
};
const modeOf = (path: string) => fs.statSync(path).mode & 0o777;

test("a directory is found again by its name's SHA-256, and its parent is as it was", () => {
  openMount(parent, NAME).close();
  fs.mkdirSync(`${parent}/lost+found`);
  expect(open().resolve(grantIdOf(NAME))).toBe(NAME);
  expect(modeOf(parent)).toBe(0o311);
  expect(lines).toEqual([]);
});

test("a directory that is gone gets another name, which is not guessed", () => {
  const names = open();
  const name = names.resolve(grantIdOf(NAME));
  expect(isDirectoryName(name)).toBe(true);
  expect(name).not.toBe(NAME);
  expect(names.resolve(grantIdOf(name))).toBe(name);
});

test("of a new grant the id is known before the name is used, and no two are alike", () => {
  const names = open();
  const ids = [names.create(), names.create()];
  expect(ids.map((id) => grantIdOf(names.resolve(id)))).toEqual(ids);
  expect(new Set(ids).size).toBe(2);
});

test("what is written down says which grant's a directory is, and no name", () => {
  const names = open();
  openMount(parent, NAME).close();
  names.resolve(grantIdOf(NAME));
  const text = `cannot write ${parent}/${NAME}/sock, nor /run/user/1/keyhole/g/${NAME}; /x/g/${"y".repeat(22)} is nobody's`;
  expect(names.hide(text)).toBe(
    `cannot write ${parent}/agent/sock, nor /run/user/1/keyhole/g/agent; /x/g/… is nobody's`,
  );
  const other = `/usr/g/${"z".repeat(23)} ${grantIdOf(NAME)}`;
  expect(names.hide(other)).toBe(other);
});

test.each([0o755, 0o300, 0o777])("a parent of mode %o is mended, and that is said", (mode) => {
  openMount(parent, NAME).close();
  fs.chmodSync(parent, mode);
  open().resolve(grantIdOf(NAME));
  expect(modeOf(parent)).toBe(0o311);
  expect(lines).toEqual([{ event: "grants could be listed", fields: { path: parent, mode: mode.toString(8) } }]);
});
