import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readHistory } from "../../src/audit/history.ts";
import { jsonLines, lineOf } from "./fixture.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-history-"));
  path = join(directory, "audit.jsonl");
});

afterEach(() => rmSync(directory, { recursive: true }));

const vend = (at: number) => lineOf({ kind: "vend" }, at);
const grant = (at: number) => lineOf({ kind: "grant", grant: "a" }, at);

const countDescriptors = () => readdirSync("/proc/self/fd").length;
const nothing = { lines: [], inode: undefined };

test("lines come from new to old, over the old files and the carried one", () => {
  writeFileSync(join(directory, "audit-grants.jsonl"), jsonLines([grant(1), grant(2)]));
  writeFileSync(`${path}.10`, jsonLines([vend(3)]));
  writeFileSync(`${path}.1`, jsonLines([vend(4), grant(5)]));
  const current = { lines: [vend(6), vend(7)], inode: undefined };
  expect([...readHistory(path, current)]).toEqual([vend(7), vend(6), grant(5), vend(4), vend(3), grant(2), grant(1)]);
});

test("a line that a crash left in the oldest file and in the carried one comes once", () => {
  writeFileSync(join(directory, "audit-grants.jsonl"), jsonLines([grant(1), grant(2)]));
  writeFileSync(`${path}.10`, jsonLines([grant(2), vend(3)]));
  expect([...readHistory(path, nothing)]).toEqual([vend(3), grant(2), grant(1)]);
});

test("alike vends of one moment are not one", () => {
  writeFileSync(`${path}.1`, jsonLines([vend(1), vend(1)]));
  expect([...readHistory(path, nothing)]).toEqual([vend(1), vend(1)]);
});

test("the current file, rotated since it was read, is not read again", () => {
  writeFileSync(`${path}.1`, jsonLines([vend(1)]));
  const inode = statSync(`${path}.1`).ino;
  expect([...readHistory(path, { lines: [vend(1)], inode })]).toEqual([vend(1)]);
});

test("a rotation in the middle of reading loses nothing", () => {
  writeFileSync(`${path}.2`, jsonLines([vend(1)]));
  writeFileSync(`${path}.1`, jsonLines([vend(2)]));
  const history = readHistory(path, { lines: [vend(3)], inode: undefined });
  expect(history.next().value).toBe(vend(3));
  renameSync(`${path}.2`, `${path}.3`);
  renameSync(`${path}.1`, `${path}.2`);
  writeFileSync(`${path}.1`, jsonLines([vend(9)]));
  expect([...history]).toEqual([vend(2), vend(1)]);
});

test("what is no file of lines is passed over", () => {
  mkdirSync(`${path}.1`);
  symlinkSync("/dev/zero", `${path}.2`);
  Bun.spawnSync(["mkfifo", `${path}.3`]);
  writeFileSync(`${path}.4`, jsonLines([vend(1)]));
  expect([...readHistory(path, nothing)]).toEqual([vend(1)]);
});

test.skipIf(process.platform !== "linux")("no descriptor stays open, also where nobody reads to the end", () => {
  for (const index of [1, 2, 3]) writeFileSync(`${path}.${index}`, jsonLines([vend(index)]));
  const before = countDescriptors();
  for (const _ of readHistory(path, { lines: [vend(9)], inode: undefined })) break;
  expect(countDescriptors()).toBe(before);
  expect([...readHistory(path, nothing)]).toHaveLength(3);
  expect(countDescriptors()).toBe(before);
});
