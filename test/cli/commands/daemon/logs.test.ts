import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryHome } from "../../fakes/daemon.ts";
import { keyhole } from "../../fakes/world.ts";

let home: string;
let path: string;

beforeEach(() => {
  home = temporaryHome();
  mkdirSync(join(home, "logs"));
  path = join(home, "logs/daemon.log");
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function line(index: number, level = "info"): string {
  return `${JSON.stringify({ time: "2026-11-20T12:00:00.000Z", level, event: `event ${index}` })}\n`;
}

function write(count: number): void {
  writeFileSync(path, Array.from({ length: count }, (_, index) => line(index)).join(""));
}

async function events(words: readonly string[]): Promise<number[]> {
  const { stdout, exit } = await keyhole(["daemon", "logs", ...words], { environment: { KEYHOLE_HOME: home } });
  expect(exit).toBe(0);
  return [...stdout.matchAll(/event (\d+)/g)].map((match) => Number(match[1]));
}

test("the last 50 lines are shown, or as many as asked for, or all", async () => {
  write(60);
  expect(await events([])).toHaveLength(50);
  expect((await events([]))[0]).toBe(10);
  expect(await events(["-t", "2"])).toEqual([58, 59]);
  expect(await events(["--tail=0"])).toHaveLength(60);
  expect(await events(["--head", "2"])).toEqual([0, 1]);
  expect(await events(["--head", "2", "-t", "1"])).toEqual([0, 1]);
  expect(await events(["--head=0"])).toEqual([]);
});

test("the level is applied before lines are counted", async () => {
  writeFileSync(path, line(0, "error") + line(1) + line(2, "warn") + line(3));
  expect(await events(["--level", "warn", "-t", "1"])).toEqual([2]);
  expect(await events(["--level", "error"])).toEqual([0]);
});

test("--json gives the lines as they are", async () => {
  write(1);
  const { stdout } = await keyhole(["daemon", "logs", "--json"], { environment: { KEYHOLE_HOME: home } });
  expect(stdout).toBe(line(0));
});

test("no log is a message and no failure", async () => {
  const result = await keyhole(["daemon", "logs"], { environment: { KEYHOLE_HOME: home } });
  expect(result).toMatchObject({ exit: 0, stdout: "", stderr: `no log file at ${path}\n` });
});

test("--follow shows what comes, until the reader is gone", async () => {
  write(1);
  let waits = 0;
  const wait = () => {
    waits++;
    if (waits === 3) return Promise.reject(new Error("the reader is gone"));
    appendFileSync(path, line(waits));
    return Promise.resolve();
  };
  const words = ["daemon", "logs", "-f", "--json"];
  const { stdout } = await keyhole(words, { environment: { KEYHOLE_HOME: home }, host: { wait } });
  expect(stdout).toBe(line(0) + line(1) + line(2));
});

test.each([
  [["-t", "x"], "--tail must be a whole number"],
  [["--head", "1.5"], "--head must be a whole number"],
  [["--head", "1", "-f"], "--head and --follow exclude each other"],
])("%j is a mistake of usage", async (words, message) => {
  const result = await keyhole(["daemon", "logs", ...words], { environment: { KEYHOLE_HOME: home } });
  expect(result.exit).toBe(2);
  expect(result.stderr).toStartWith(`keyhole: error: ${message}\n`);
});
