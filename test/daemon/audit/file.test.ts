import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditEvent, parseRecord } from "../../../src/audit/line.ts";
import { readHistory } from "../../../src/audit/history.ts";
import { openAuditFile } from "../../../src/daemon/audit/file.ts";
import { jsonLines, lineOf } from "../../audit/fixture.ts";
import { FakeClock } from "../fakes/clock.ts";

let directory: string;
let path: string;
let carried: string;
let clock: FakeClock;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-audit-"));
  path = join(directory, "audit.jsonl");
  carried = join(directory, "audit-grants.jsonl");
  clock = new FakeClock();
});

afterEach(() => rmSync(directory, { recursive: true }));

const event = (kind: AuditEvent["kind"], grant = "a"): AuditEvent => ({
  kind,
  transport: "socket",
  outcome: "ok",
  grant,
});

const open = (disabled = false) =>
  openAuditFile({ path, clock, home: { isReplaced: false }, hide: (text) => text, disabled });

test("an event that is written again has the time of each writing", async () => {
  const file = open();
  const again = event("vend");
  await file.recordSoon(again);
  await clock.advance(1500);
  await file.recordSoon(again);
  file.close();
  const records = readFileSync(path, "utf8").split("\n").filter(Boolean).map(parseRecord);
  expect(records.map((record) => record?.tsMs)).toEqual([clock.wall() - 1500, clock.wall()]);
  expect(records[1]).toMatchObject({ kind: "vend", grant: "a", time: new Date(clock.wall()).toISOString() });
});

/** Everything that `keyhole audit` would read. */
const grantLines = () => {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
  return [...readHistory(path, { lines, inode: undefined })]
    .map(parseRecord)
    .filter((record) => record?.kind === "grant" || record?.kind === "revoke")
    .map((record) => `${record!.kind} ${record!.grant}`);
};

test("an event is a line with its time, in a private file", () => {
  const audit = open();
  audit.record({ ...event("vend"), peer: { uid: 1, gid: 2, executable: "/tmp/\u001b[31m\u202e" } });
  audit.close();
  expect(readFileSync(path, "utf8")).toBe(
    '{"time":"2026-01-01T00:00:00.000Z","tsMs":1767225600000,"kind":"vend","transport":"socket","outcome":"ok",' +
      String.raw`"grant":"a","peer":{"uid":1,"gid":2,"executable":"/tmp/\u001b[31m\u202e"}}` +
      "\n",
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("junk that fills every file, twice, rotates out nothing that was granted or revoked (A-030)", () => {
  const audit = open();
  audit.record(event("grant"));
  // A line of 400 bytes: 5 MB each for eleven files is 140,000 of them.
  const junk = { ...event("junk"), note: "x".repeat(290) };
  for (let count = 0; count < 140_000; count++) audit.record(junk);
  audit.record(event("revoke"));
  for (let count = 0; count < 140_000; count++) audit.record(junk);
  audit.close();
  expect(grantLines()).toEqual(["revoke a", "grant a"]);
  const names = readdirSync(directory);
  // The audit file, ten old ones, and what was carried over.
  expect(names).toHaveLength(12);
  for (const name of names) expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(5_000_000);
}, 60_000);

/** The state in which the next line drops the oldest file. */
function fillAll(oldest: string): void {
  for (let index = 1; index <= 9; index++) writeFileSync(`${path}.${index}`, jsonLines([lineOf(event("vend"), index)]));
  writeFileSync(`${path}.10`, oldest);
  writeFileSync(path, `${"x".repeat(4_999_999)}\n`);
}

test("a crash at any step of a rotation loses no such line, and shows none twice", () => {
  const lines = [lineOf(event("grant"), 1), lineOf(event("revoke"), 2)];
  // After the lines were carried, before the file was dropped.
  fillAll(jsonLines(lines));
  writeFileSync(carried, jsonLines(lines));
  expect(grantLines()).toEqual(["revoke a", "grant a"]);
  // The next daemon begins the rotation anew.
  const audit = open();
  audit.record(event("vend"));
  audit.close();
  expect(readFileSync(carried, "utf8")).toBe(jsonLines(lines));
  expect(grantLines()).toEqual(["revoke a", "grant a"]);
  // In the middle of the renames: one name is free, so nothing is dropped.
  rmSync(`${path}.5`);
  fillGap();
  expect(grantLines()).toEqual(["revoke b", "revoke a", "grant a"]);
});

function fillGap(): void {
  writeFileSync(`${path}.10`, jsonLines([lineOf(event("revoke", "b"), 3)]));
  writeFileSync(path, `${"x".repeat(4_999_999)}\n`);
  const audit = open();
  audit.record(event("vend"));
  audit.close();
}

test("where the carried file cannot be written no file is dropped, and a grant is still written down", () => {
  fillAll(jsonLines([lineOf(event("grant"), 1)]));
  // A directory in its place cannot be replaced by a file.
  Bun.spawnSync(["mkdir", "-p", join(carried, "x")]);
  const audit = open();
  audit.record(event("vend"));
  audit.record(event("revoke"));
  audit.close();
  expect(readFileSync(`${path}.10`, "utf8")).toBe(jsonLines([lineOf(event("grant"), 1)]));
  expect(grantLines()).toEqual(["revoke a", "grant a"]);
});

test("disabled, nothing is written and nothing made (A-031)", () => {
  const audit = open(true);
  audit.record(event("grant"));
  audit.reopen();
  audit.close();
  expect(readdirSync(directory)).toEqual([]);
});
