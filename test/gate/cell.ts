// The tests that every sandbox gets: the release file is run there, not looked at.
import { expect } from "bun:test";
import { must, run } from "../interop/run.ts";
import type { Result } from "../processes.ts";
import {
  asksHost,
  hasShell,
  type Inside,
  insideEnvironment,
  type Kind,
  type Options,
  type Running,
} from "./sandbox.ts";
import type { Host } from "./host.ts";
import { guard } from "./rigs/namespaces.ts";
import { testWith } from "./rigs/rigs.ts";
import { rigsOf } from "./rigs/roots.ts";

const environment = { ...insideEnvironment, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
export const EXPORT = [...asksHost, "export", "--format", "credential-process", "-n", "dev"];
const DAEMON = ["/keyhole", "--daemon"];

let count = 0;
const nextName = () => `keyhole-gate-${process.pid}-${(count += 1)}`;

/** Runs a program as pid 1 of a new sandbox, to its end. */
export function runIn(kind: Kind, options: Options, program: readonly string[]): Promise<Result> {
  return run([...guard, ...kind.command(program, options, nextName())], environment, 30);
}

/** Starts a program as pid 1 of a new sandbox, and waits for its first line. */
async function hold(kind: Kind, options: Options, program: readonly string[]) {
  const name = nextName();
  const child = Bun.spawn([...guard, ...kind.command(program, options, name)], {
    env: environment,
    cwd: "/",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { value } = await child.stdout.getReader().read();
  if (value === undefined) throw new Error(await child.stderr.text());
  const running: Running = { name, child };
  return {
    firstLine: new TextDecoder().decode(value).trim(),
    run: async (...words: string[]) => run(await kind.enter(words, options, running), environment, 30),
    async terminate() {
      await must(await kind.signal("TERM", running), environment);
      return await child.exited;
    },
    async [Symbol.asyncDispose]() {
      // A first process that has no handler of its own ignores SIGTERM.
      if (child.exitCode === null) await run(await kind.signal("KILL", running), environment);
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** A whole answer, with what the STS gave out. */
export function expectCredentials({ host }: Options, outcome: Result): string {
  expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
  const answer = JSON.parse(outcome.stdout) as Record<string, string>;
  expect(answer["SecretAccessKey"]).toBe(host.secretOf(answer["AccessKeyId"]!));
  return answer["AccessKeyId"]!;
}

/** @param host asked for when the tests run */
export function testCell(name: string, kind: Kind, inside: Inside, host: () => Host): void {
  const needed = [...kind.needs, ...rigsOf(inside.root)];
  const test = testWith(needed);
  const options = () => ({ host: host(), ...inside });

  test(`${name}: prints its version`, async () => {
    const outcome = await runIn(kind, options(), ["/keyhole", "--version"]);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
    expect(outcome.stdout).toMatch(/^keyhole \d+\.\d+\.\d+\n$/);
  });

  test(`${name}: gets credentials over the mounted directory`, async () => {
    expectCredentials(options(), await runIn(kind, options(), EXPORT));
  });

  test(`${name}: credentials go on after the host's daemon was restarted`, async () => {
    await using sandbox = await hold(kind, options(), DAEMON);
    const before = expectCredentials(options(), await sandbox.run(...EXPORT));
    await host().restart();
    expect(expectCredentials(options(), await sandbox.run(...EXPORT))).not.toBe(before);
  });

  test(`${name}: a daemon as pid 1 listens, locks and ends`, async () => {
    await using sandbox = await hold(kind, options(), DAEMON);
    expect(sandbox.firstLine).toBe("keyhole: ready at /state/keyhole/sock/daemon.sock");
    // Answered to its owner alone, so that it knows who asks.
    expect(await sandbox.run("/keyhole", "daemon", "list")).toMatchObject({ exitCode: 0 });
    const second = await sandbox.run(...DAEMON);
    expect(second).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining("already running") });
    expect(await sandbox.terminate()).toBe(0);
  });

  testStatus(name, kind, options, test);
  testStart(name, kind, options, test);
  if (hasShell(inside.root)) testExec(name, kind, options, test);
  else testExecAlone(name, kind, options, test);
  if (hasShell(inside.root) && inside.uid !== 0) testInspection(name, kind, options, test);
}

type Test = ReturnType<typeof testWith>;

function testStatus(name: string, kind: Kind, options: () => Options, test: Test): void {
  test(`${name}: a daemon as pid 1 tells its status`, async () => {
    await using sandbox = await hold(kind, options(), DAEMON);
    const status = await sandbox.run("/keyhole", "daemon", "status", "--json");
    expect(status).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(status.stdout)).toMatchObject({ pid: 1 });
  });
}

function testStart(name: string, kind: Kind, options: () => Options, test: Test): void {
  test(`${name}: a client starts a daemon`, async () => {
    await using sandbox = await hold(kind, options(), DAEMON);
    const elsewhere = ["/keyhole", "-sp", "/state/second/daemon.sock", "-lp", "/state/second/daemon.log", "daemon"];
    expect(await sandbox.run(...elsewhere, "start")).toMatchObject({ exitCode: 0 });
    expect(await sandbox.run(...elsewhere, "stop")).toMatchObject({ exitCode: 0 });
  });
}

function testExecAlone(name: string, kind: Kind, options: () => Options, test: Test): void {
  test(`${name}: exec becomes a program, and its exit status is that program's`, async () => {
    const exec = [...asksHost, "exec", "-n", "dev", "--"];
    expect(await runIn(kind, options(), [...exec, "/keyhole", "--version"])).toMatchObject({ exitCode: 0 });
    expect(await runIn(kind, options(), [...exec, "/keyhole", "--nonsense"])).toMatchObject({ exitCode: 2 });
    expect(await runIn(kind, options(), [...exec, "/nowhere"])).toMatchObject({ exitCode: 127 });
  });

  test(`${name}: a signal reaches the program of exec`, async () => {
    await using sandbox = await hold(kind, options(), [...asksHost, "exec", "-n", "dev", "--", ...DAEMON]);
    expect(sandbox.firstLine).toBe("keyhole: ready at /state/keyhole/sock/daemon.sock");
    expect(await sandbox.terminate()).toBe(0);
  });
}

const exec = (script: string) => [...asksHost, "exec", "-n", "dev", "--", "/bin/sh", "-c", script];

function testExec(name: string, kind: Kind, options: () => Options, test: Test): void {
  test(`${name}: exec as pid 1 becomes the program, which is alone and gives its exit status`, async () => {
    const script = `echo "$$ $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"; echo /proc/[0-9]*; exit 7`;
    const outcome = await runIn(kind, options(), exec(script));
    expect(outcome).toMatchObject({ exitCode: 7, stderr: "" });
    const [first, processes] = outcome.stdout.trimEnd().split("\n");
    const [pid, accessKeyId, secret] = first!.split(" ");
    expect([pid, secret, processes]).toEqual(["1", options().host.secretOf(accessKeyId!)!, "/proc/1"]);
  });

  test(`${name}: a signal reaches the program of exec`, async () => {
    const script = `trap "exit 42" TERM; echo listening; while :; do sleep 0.1; done`;
    await using sandbox = await hold(kind, options(), exec(script));
    expect(sandbox.firstLine).toBe("listening");
    expect(await sandbox.terminate()).toBe(42);
  });
}

function testInspection(name: string, kind: Kind, options: () => Options, test: Test): void {
  test(`${name}: a process of the same user cannot read the daemon's environment`, async () => {
    const look = ["/bin/sh", "-c", ": </proc/1/environ"];
    await using daemon = await hold(kind, options(), DAEMON);
    expect((await daemon.run(...look)).exitCode).not.toBe(0);
    // The same works on a process that does not defend itself.
    await using other = await hold(kind, options(), ["/bin/sh", "-c", "echo ready; exec sleep 1000"]);
    expect(await other.run(...look)).toMatchObject({ exitCode: 0 });
  });
}
