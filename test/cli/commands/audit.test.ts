import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jsonLines, lineOf } from "../../audit/fixture.ts";
import { startFakeDaemon, temporaryHome } from "../fakes/daemon.ts";
import { keyhole, type WorldOptions } from "../fakes/world.ts";

let home: string;
let path: string;

beforeEach(() => {
  home = temporaryHome();
  mkdirSync(join(home, "logs"));
  path = join(home, "logs", "audit.jsonl");
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

const run = (words: readonly string[], options: WorldOptions = {}) =>
  keyhole(["audit", ...words], { ...options, environment: { KEYHOLE_HOME: home, ...options.environment } });

const vend = (at: number, grant = "a") =>
  lineOf({ kind: "vend", grant, accessKeyId: `ASIA${String(at).padStart(16, "0")}` }, at);

/** The moments of a JSON answer. */
async function moments(words: readonly string[]): Promise<number[]> {
  const { stdout, exit } = await run([...words, "--json"]);
  expect(exit).toBe(0);
  return (JSON.parse(stdout) as { tsMs: number }[]).map(({ tsMs }) => tsMs);
}

function writeEverywhere(): void {
  writeFileSync(join(home, "logs", "audit-grants.jsonl"), jsonLines([lineOf({ kind: "grant", grant: "a" }, 1)]));
  writeFileSync(`${path}.2`, jsonLines([vend(2)]));
  writeFileSync(`${path}.1`, jsonLines([vend(3, "b")]));
  writeFileSync(path, jsonLines([vend(4), vend(5)]));
}

test("JSON is an array, the newest first, across all files (A-027)", async () => {
  writeEverywhere();
  expect(await moments([])).toEqual([5, 4, 3, 2, 1]);
  expect(await moments(["--limit", "2"])).toEqual([5, 4]);
  expect(await moments(["--before-ts-ms", "4", "--limit", "2"])).toEqual([3, 2]);
  expect(await moments(["--grant", "a"])).toEqual([5, 4, 2, 1]);
  expect(await moments(["--grant", "none"])).toEqual([]);
});

test("200 are shown unless another number is asked for, 0 for all (A-027)", async () => {
  writeFileSync(path, jsonLines(Array.from({ length: 300 }, (_, index) => vend(index))));
  expect(await moments([])).toHaveLength(200);
  expect(await moments(["--limit", "0"])).toHaveLength(300);
  expect((await moments([]))[0]).toBe(299);
});

test("for people the oldest comes first, the newest stands where they look", async () => {
  writeEverywhere();
  const { stdout } = await run([]);
  const times = stdout.split("\n").map((line) => line.slice(0, 4));
  expect(times).toEqual(["TIME", "1970", "1970", "1970", "1970", "1970", ""]);
  expect(stdout.indexOf("grant ")).toBeLessThan(stdout.indexOf("ASIA0000000000000005"));
});

test("a malformed line is left out, and counted on stderr", async () => {
  writeFileSync(path, jsonLines([vend(1), "{cut", vend(2), "garbage"]));
  const { stdout, stderr } = await run(["--json"]);
  expect(JSON.parse(stdout)).toHaveLength(2);
  expect(stderr).toBe("keyhole: warning: 2 malformed lines were left out\n");
});

test("no control character reaches stdout, in text and in JSON", async () => {
  const hostile = "x\n\u001b]0;title\u0007\u009b31m\u202e";
  writeFileSync(path, jsonLines([lineOf({ kind: "vend", config: hostile, accessKeyId: "ASIAEXAMPLE" }, 1)]));
  for (const words of [[], ["--json"], ["who", "ASIAEXAMPLE"], ["who", "ASIAEXAMPLE", "--json"]]) {
    const { stdout, exit } = await run(words);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
  }
});

test.each([[["--follow"]], [["--follow", "--json"]]])("%p shows what is there, then what comes", async (words) => {
  writeEverywhere();
  const comes = [jsonLines([vend(6)]), "", jsonLines([vend(7, "b"), vend(8)])];
  const ended = new Error("enough");
  const { stdout } = await run([...words, "--limit", "1", "--grant", "a"], {
    host: {
      wait: () => {
        const next = comes.shift();
        if (next === undefined) throw ended;
        appendFileSync(path, next);
        return Promise.resolve();
      },
    },
  });
  expect([...stdout.matchAll(/ASIA0+(\d)/g)].map(([, at]) => at)).toEqual(["5", "6", "8"]);
});

test("who tells everything about one key, or that nobody knows it", async () => {
  const peer = { uid: 1000, gid: 100, pid: 42, executable: "/usr/bin/aws" };
  const facts = { config: "dev", roleArn: "arn:r", sessionName: "s", accessKeyId: "ASIAEXAMPLE" };
  const lines = [lineOf({ kind: "issue", ...facts }, 1000), lineOf({ kind: "vend", ...facts, peer, count: 3 }, 2000)];
  writeFileSync(path, jsonLines(lines));
  const { stdout } = await run(["who", "ASIAEXAMPLE"]);
  for (const part of ["dev", "arn:r", "1970-01-01T00:00:01.000Z", "uid 1000 pid 42 /usr/bin/aws", "3 times"]) {
    expect(stdout).toContain(part);
  }
  expect(JSON.parse((await run(["who", "ASIAEXAMPLE", "--json"])).stdout)).toMatchObject({
    accessKeyId: "ASIAEXAMPLE",
    givenTo: [{ peer, times: 3 }],
  });
  expect(await run(["who", "ASIAUNKNOWN"])).toMatchObject({
    exit: 4,
    stdout: "",
    stderr: "keyhole: error: the audit does not know the access key id ASIAUNKNOWN\nkeyhole: hint: keyhole audit\n",
  });
});

test.each([
  [["what"], "unexpected argument what"],
  [["who"], "an access key id is missing"],
  [["who", "../x"], "an access key id is missing"],
  [["who", "ASIAEXAMPLE", "--follow"], "audit who takes no option but --json"],
  [["who", "ASIAEXAMPLE", "more"], "unexpected argument more"],
  [["--limit", "x"], "--limit must be a whole number"],
  [["--before-ts-ms", "yesterday"], "--before-ts-ms must be a whole number"],
  [["--follow", "--before-ts-ms", "1"], "--follow and --before-ts-ms exclude each other"],
])("%p is refused", async (words, message) => {
  const { exit, stderr, stdout } = await run(words);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
  expect(stderr).toContain(`keyhole: error: ${message}\n`);
});

test("an empty audit says where it looked", async () => {
  expect(await run([])).toMatchObject({ exit: 0, stdout: "", stderr: `nothing in ${path}\n` });
  expect(await run(["--json"])).toMatchObject({ exit: 0, stdout: "[]\n" });
});

const SILENT = "nothing is written down: disk logs are off (KEYHOLE_DISABLE_DISK_LOGS)\n";

test("disabled here, it says so, and shows what is there (A-031)", async () => {
  writeFileSync(path, jsonLines([vend(1)]));
  const { stdout, stderr } = await run(["--json"], { environment: { KEYHOLE_DISABLE_DISK_LOGS: "1" } });
  expect(stderr).toBe(SILENT);
  expect(JSON.parse(stdout)).toHaveLength(1);
});

test.each([
  [0, SILENT],
  [1, ""],
])("a daemon whose disk logs are %d is asked (A-031)", async (value, text) => {
  writeFileSync(path, jsonLines([vend(1)]));
  const status = {
    version: "1",
    pid: 1,
    startedAt: 1,
    socket: "/s",
    log: "/l",
    configDir: "/c",
    maxSessions: 1,
    connections: 1,
    residentBytes: 1,
    clockBehindMs: 0,
    clockAheadMs: 0,
    sharedSocket: undefined,
    managed: false,
    notes: [],
    counters: [{ name: "disk_logs", value }],
    sessions: [],
  };
  await using daemon = startFakeDaemon({ Status: () => status }, home);
  const { stderr } = await run(["--json"], { environment: { KEYHOLE_SOCKET: daemon.socket } });
  expect(stderr).toBe(text);
});
