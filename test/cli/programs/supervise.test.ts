import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { passedOn, supervise, type Supervision } from "../../../src/cli/programs/supervise.ts";
import { until } from "../../processes.ts";
import { rejectionOf } from "../../thrown.ts";
import { fakeSignals } from "../fakes/signals.ts";

const PATH = "/usr/bin:/bin";

function temporary() {
  const path = mkdtempSync(join(tmpdir(), "keyhole-supervise-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function run(words: readonly string[], changes: Partial<Supervision> = {}, environment = {}, isApart = false) {
  const signals = fakeSignals();
  const outcome = supervise(
    { words, environment: { PATH, ...environment }, isApart },
    { watch: signals.watch, hasTerminal: false, reap: undefined, ...changes },
  );
  return { signals, outcome };
}

test.each([
  ["exit 0", 0],
  ["exit 7", 7],
  ["kill -TERM $$", 143],
  ["kill -KILL $$", 137],
])("a program that does %p ends with %i", async (script, status) => {
  expect(await run(["sh", "-c", script]).outcome).toBe(status);
});

test("the program gets its name as it was typed, its arguments and its whole environment", async () => {
  using directory = temporary();
  const script = 'echo "$0 $*" > "$OUT"; env | cut -d = -f 1 | sort >> "$OUT"; ';
  const out = join(directory.path, "out");
  expect(await run(["sh", "-c", script, "a  b", "*"], {}, { OUT: out }).outcome).toBe(0);
  const [words, ...names] = readFileSync(out, "utf8").trimEnd().split("\n");
  expect(words).toBe("a  b *");
  expect(names).toEqual(expect.arrayContaining(["OUT", "PATH"]));
  expect(names).not.toContain("HOME");
});

test("a script without a first line is the shell's", async () => {
  using directory = temporary();
  const script = join(directory.path, "script");
  writeFileSync(script, "exit 5\n");
  chmodSync(script, 0o755);
  expect(await run([script]).outcome).toBe(5);
});

test.each([
  ["a name that is nowhere", "nowhere-to-be-found", 127],
  ["a path that is not there", "/nonexistent/program", 127],
  ["a file that is no program", "/etc/passwd", 126],
  ["a directory", "/", 126],
])("%s never starts, and nobody watches for signals any more", async (_, program, status) => {
  const { signals, outcome } = run([program]);
  expect((await rejectionOf(outcome)).exitStatus).toBe(status);
  expect(passedOn.filter(signals.watched)).toEqual([]);
});

/** A program that says which signal it got, and is ready when its file is there. */
async function listening(changes: Partial<Supervision>, isApart = false) {
  const directory = temporary();
  const file = join(directory.path, "ready");
  const traps = passedOn.map((signal, at) => `trap "exit ${10 + at}" ${signal.slice(3)}`).join("; ");
  const child = run(
    ["sh", "-c", `${traps}; echo > "$FILE"; while :; do sleep 0.01; done`],
    changes,
    { FILE: file },
    isApart,
  );
  await until(() => readable(file));
  return { ...child, [Symbol.dispose]: directory[Symbol.dispose] };
}

function readable(file: string): boolean {
  try {
    return readFileSync(file, "utf8").length > 0;
  } catch {
    return false;
  }
}

test.each(passedOn)("%s is passed on", async (signal) => {
  using child = await listening({});
  expect(child.signals.send(signal)).toBe(true);
  expect(await child.outcome).toBe(10 + passedOn.indexOf(signal));
});

test.each(["SIGINT", "SIGQUIT", "SIGWINCH"] as const)(
  "%s of a terminal is the program's already: it is not passed on, and does not end us",
  async (signal) => {
    using child = await listening({ hasTerminal: true });
    expect(child.signals.send(signal)).toBe(true);
    child.signals.send("SIGTERM");
    expect(await child.outcome).toBe(10 + passedOn.indexOf("SIGTERM"));
  },
);

test.each(["SIGINT", "SIGQUIT", "SIGWINCH"] as const)(
  "%s of a terminal is passed on to a program that has none, and nothing stops us beside it",
  async (signal) => {
    using child = await listening({ hasTerminal: true }, true);
    expect(child.signals.send("SIGTSTP")).toBe(true);
    expect(child.signals.send(signal)).toBe(true);
    expect(await child.outcome).toBe(10 + passedOn.indexOf(signal));
  },
);

test("a program that is to be apart leads a session", async () => {
  // proc_pid_stat(5): the pid is the first field, the session the sixth.
  const script = 'read -r pid _ _ _ _ session _ < /proc/self/stat; [ "$pid" = "$session" ]';
  expect(await run(["sh", "-c", script], {}, {}, true).outcome).toBe(0);
  expect(await run(["sh", "-c", script]).outcome).toBe(1);
});

test("orphans are waited for, all that have ended at a time", async () => {
  const ended = [
    { pid: 1_000_001, status: 3 },
    { pid: 1_000_002, status: 0 },
  ];
  using child = await listening({ reap: () => ended.shift() });
  expect(child.signals.send("SIGCHLD")).toBe(true);
  expect(ended).toEqual([]);
  child.signals.send("SIGTERM");
  expect(await child.outcome).toBe(10);
});

test("without a terminal or orphans nobody watches for what is not needed", async () => {
  using child = await listening({});
  expect(child.signals.watched("SIGCHLD")).toBe(false);
  child.signals.send("SIGTERM");
  await child.outcome;
});
