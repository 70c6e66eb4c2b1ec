import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLog } from "../../../src/cli/logs/tail.ts";
import { temporaryHome } from "../fakes/daemon.ts";

let home: string;
let path: string;

beforeEach(() => {
  home = temporaryHome();
  path = join(home, "daemon.log");
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

test("lines come from old to new, across the rotated files, and once", () => {
  writeFileSync(`${path}.3`, "1\n");
  writeFileSync(`${path}.2`, "2\n");
  writeFileSync(`${path}.1`, "3\n4\n");
  writeFileSync(path, "5\n6\n");
  const log = openLog(path);
  expect(log.read()).toEqual(["1", "2", "3", "4", "5", "6"]);
  expect(log.read()).toEqual([]);
});

test("a line is read when it is complete, also when a character is cut in two", () => {
  writeFileSync(path, "one\ntw");
  const log = openLog(path);
  expect(log.read()).toEqual(["one"]);
  const [first, second] = [Buffer.from("o ü\n").subarray(0, 3), Buffer.from("o ü\n").subarray(3)];
  appendFileSync(path, first);
  expect(log.read()).toEqual([]);
  appendFileSync(path, second);
  expect(log.read()).toEqual(["two ü"]);
});

test("a rotation loses no line and repeats none", () => {
  writeFileSync(path, "1\n");
  const log = openLog(path);
  expect(log.read()).toEqual(["1"]);
  appendFileSync(path, "2\n");
  renameSync(path, `${path}.1`);
  expect(log.read()).toEqual(["2"]);
  writeFileSync(path, "3\n");
  expect(log.read()).toEqual(["3"]);
  appendFileSync(path, "4\n");
  renameSync(path, `${path}.1`);
  writeFileSync(path, "5\n");
  expect(log.read()).toEqual(["4", "5"]);
});

test("a file that was emptied in place is read from its start", () => {
  writeFileSync(path, "1\n2\n");
  const log = openLog(path);
  log.read();
  truncateSync(path);
  appendFileSync(path, "3\n");
  expect(log.read()).toEqual(["3"]);
});

test("a log that appears later is read then", () => {
  const log = openLog(path);
  expect(log.exists).toBe(false);
  expect(log.read()).toEqual([]);
  writeFileSync(path, "1\n");
  expect(log.read()).toEqual(["1"]);
});

test("what is no file is no log", () => {
  mkdirSync(path);
  expect(openLog(path).exists).toBe(false);
});

test("a line longer than one read comes whole", () => {
  const line = "ü".repeat(100_000);
  writeFileSync(path, `${line}\n`);
  expect(openLog(path).read()).toEqual([line]);
});
