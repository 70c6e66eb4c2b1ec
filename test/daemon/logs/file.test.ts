import * as fs from "node:fs";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../../src/clock.ts";
import { formatJsonLine, openLogFile } from "../../../src/daemon/logs/rotatingfile.ts";

const clock: Clock = {
  wall: () => Date.UTC(2026, 10, 20, 12, 0, 0),
  monotonic: () => 0,
  after: () => ({ cancel: () => {} }),
};
let directory: string;
let path: string;

const open = () => openLogFile({ path, clock, home: { isReplaced: false }, hide: (text) => text, disabled: false });

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "keyhole-log-"));
  path = join(directory, "daemon.log");
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

test("a line is one JSON object with time, level, event and fields, in a private file", () => {
  const file = open();
  file.log("info", "session renewed", { config: "dev", attempts: 2, absent: undefined });
  file.close();
  expect(fs.readFileSync(path, "utf8")).toBe(
    '{"time":"2026-11-20T12:00:00.000Z","level":"info","event":"session renewed","config":"dev","attempts":2}\n',
  );
  expect(fs.statSync(path).mode & 0o777).toBe(0o600);
});

test("no input forges a line or reaches a terminal as an escape sequence", () => {
  const file = open();
  const hostile = 'x\n{"level":"info"}\r\u001b]0;title\u0007\u009b31m\u202e\u2066\u007f';
  file.log("info", "request failed", { config: hostile });
  file.close();
  const text = fs.readFileSync(path, "utf8");
  expect(text).toMatch(/^[\x20-\x7e]*\n$/);
  expect((JSON.parse(text) as { config: string }).config).toBe(hostile);
});

test("a field of 64 KiB is cut", () => {
  const file = open();
  file.log("info", "request failed", { config: "x".repeat(65_536) });
  file.close();
  expect(fs.statSync(path).size).toBeLessThan(1000);
});

test("at 5 MB the file is rotated, and three old ones are kept", () => {
  const file = open();
  const line = { text: "x".repeat(500), more: "y".repeat(500) };
  for (let count = 0; count < 25_000; count++) file.log("info", "line", { count, ...line });
  file.close();
  const names = [path, `${path}.1`, `${path}.2`, `${path}.3`];
  for (const name of names) expect(fs.statSync(name).size).toBeLessThanOrEqual(5_000_000);
  expect(fs.existsSync(`${path}.4`)).toBe(false);
  const last = fs.readFileSync(path, "utf8").trimEnd().split("\n").at(-1)!;
  expect((JSON.parse(last) as { count: number }).count).toBe(24_999);
});

test("where the next file cannot be opened, no old one is lost", () => {
  const file = open();
  fs.mkdirSync(`${path}.next`);
  const line = { text: "x".repeat(500), more: "y".repeat(500) };
  for (let count = 0; count < 6000; count++) file.log("info", "line", { count, ...line });
  file.close();
  expect(fs.statSync(path).size).toBeGreaterThan(4_900_000);
  expect(fs.existsSync(`${path}.1`)).toBe(false);
});

test("a file that was moved away is opened anew on request", () => {
  const file = open();
  file.log("info", "before");
  fs.renameSync(path, `${path}.moved`);
  file.reopen();
  file.log("info", "after");
  file.close();
  expect(fs.readFileSync(path, "utf8")).toContain("after");
  expect(fs.readFileSync(`${path}.moved`, "utf8")).not.toContain("after");
});

test("a link is not followed", () => {
  fs.symlinkSync(join(directory, "elsewhere"), path);
  expect(() => open()).toThrow(path);
  expect(fs.existsSync(join(directory, "elsewhere"))).toBe(false);
});

test("a FIFO is not waited for, with a reader or without", () => {
  Bun.spawnSync(["mkfifo", path]);
  expect(() => open()).toThrow("cannot open");
  const reader = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  expect(() => open()).toThrow("not a regular file");
  fs.closeSync(reader);
});

const same = (text: string) => text;

test("no text forges a line or reaches a terminal as an escape sequence, however deep it lies", () => {
  const hostile = 'x\n{"kind":"grant"}\r\u001b]0;title\u0007\u009b31m\u202e\u2066\u2028\u007f';
  const line = formatJsonLine({ config: hostile, peer: { executable: hostile } }, same);
  expect(line).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(line)).toEqual({ config: hostile, peer: { executable: hostile } });
});

test("a text of 64 KiB is cut, and numbers are not", () => {
  const line = formatJsonLine({ config: "x".repeat(65_536), tsMs: 1_795_176_000_007 }, same);
  expect(line.length).toBeLessThan(600);
  expect(line).toEndWith('…","tsMs":1795176000007}');
});

test("what must not be written down is left out of every text before it is cut", () => {
  const long = `${"x".repeat(500)}/secret/more`;
  const line = formatJsonLine({ peer: { executable: long } }, (text) => text.replaceAll("secret", "NAME"));
  expect(line).toContain("/NAME/more");
  expect(line).not.toContain("secret");
});
