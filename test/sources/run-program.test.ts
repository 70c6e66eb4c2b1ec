import { existsSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { systemClock } from "../../src/clock.ts";
import { type ProgramOptions, runProgram } from "../../src/sources/run-program.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";
import { isAlive, pidIn, until } from "../processes.ts";
import { type Home, makeHome } from "./fixture.ts";

let home: Home;
let clock: FakeClock;

beforeAll(() => {
  home = makeHome();
});
beforeEach(() => {
  clock = new FakeClock();
});
afterAll(() => home.remove());

function run(script: string, change: Partial<ProgramOptions> = {}) {
  return runProgram({
    command: ["sh", "-c", script],
    environment: { PATH: process.env["PATH"] ?? "", GREETING: "hello" },
    deadline: 10_000,
    largestOutput: 1_000,
    clock,
    signal: new AbortController().signal,
    ...change,
  });
}

test("gives what a program says", async () => {
  const end = await run('echo "$GREETING $(cat) in $PWD"; echo secret >&2; exit 3', { input: "you" });
  expect(end).toEqual({ kind: "ended", exit: 3, stdout: "hello you in /\n", stderr: "secret\n" });
  expect(clock.armed).toBeLessThanOrEqual(1);
});

const openFiles = () => readdirSync("/proc/self/fd").length;

test.skipIf(!existsSync("/proc/self/fd"))("leaves nothing open behind, whether the input was read or not", async () => {
  await run("cat", { input: "you" });
  const before = openFiles();
  const large = "x".repeat(1024 * 1024);
  for (let times = 0; times < 20; times++) {
    expect(await run("cat", { input: "you" })).toMatchObject({ kind: "ended", stdout: "you" });
    expect(await run("exit 4", { input: large })).toMatchObject({ kind: "ended", exit: 4 });
  }
  await until(() => openFiles() <= before + 2);
});

test("hands down no variable of this process", async () => {
  process.env["KEYHOLE_TEST_CANARY"] = "seen";
  const end = await run("env");
  delete process.env["KEYHOLE_TEST_CANARY"];
  expect(end).not.toMatchObject({ stdout: expect.stringContaining("CANARY") });
});

test("gives a closed stdin where there is no input", async () => {
  expect(await run("cat; echo end")).toMatchObject({ stdout: "end\n" });
});

test.each([
  { command: ["keyhole-no-such-program"], kind: "not-found" },
  { command: ["/nonexistent/program"], kind: "not-executable" },
  { command: [""], kind: "not-found" },
])("says $kind of $command", async ({ command, kind }) => {
  expect(await run("", { command })).toEqual({ kind: kind as "not-found" });
});

test("says not-executable of a file that may not be executed", async () => {
  const command = [home.write("plain", "#!/bin/sh\n", 0o600)];
  expect(await run("", { command })).toEqual({ kind: "not-executable" });
});

/** A program that writes down the pid of a child of its own, and waits for that for ever. */
async function startFamily(change: Partial<ProgramOptions> = {}) {
  const file = `${home.path}/${crypto.randomUUID()}`;
  const running = run(`sleep 600 & echo $! > ${file}.new; mv ${file}.new ${file}; wait`, change);
  return { running, child: await pidIn(file) };
}

test("kills a program that is late, and what it started", async () => {
  const { running, child } = await startFamily();
  await clock.advance(10_000);
  expect(await running).toEqual({ kind: "timeout" });
  await until(() => !isAlive(child));
});

test("kills a program that is not wanted any more, and what it started", async () => {
  const controller = new AbortController();
  const { running, child } = await startFamily({ signal: controller.signal });
  controller.abort();
  expect(await running).toEqual({ kind: "aborted" });
  await until(() => !isAlive(child));
});

test("starts nothing for who has given up", async () => {
  const file = `${home.path}/started`;
  expect(await run(`touch ${file}`, { signal: AbortSignal.abort() })).toEqual({ kind: "aborted" });
  expect(await Bun.file(file).exists()).toBeFalse();
});

test("kills a program that says too much", async () => {
  expect(await run("yes")).toEqual({ kind: "too-long" });
});

test("does not wait for what a program leaves behind", async () => {
  const file = `${home.path}/left`;
  const end = await run(`sleep 600 & echo $! > ${file}; echo done`, { clock: systemClock });
  expect(end).toEqual({ kind: "ended", exit: 0, stdout: "done\n", stderr: "" });
  process.kill(Number(await Bun.file(file).text()), "SIGKILL");
});
