import { expect, test } from "bun:test";
import { type AuditEvent, isKept, kindOfLine, parseRecord, toRecord } from "../../src/audit/line.ts";

const event: AuditEvent = {
  kind: "vend",
  transport: "socket",
  outcome: "ok",
  grant: "agent-a",
  accessKeyId: "ASIAEXAMPLE",
  expiresAt: Date.UTC(2026, 10, 20, 13, 0, 0, 999),
  peer: { uid: 1000, gid: 1000, pid: 42, executable: "/usr/bin/python3" },
};
const NOW = Date.UTC(2026, 10, 20, 12, 0, 0, 7.5);

test("a line begins with time and kind, and says the expiry as AWS does", () => {
  expect(JSON.stringify(toRecord(event, NOW))).toBe(
    '{"time":"2026-11-20T12:00:00.007Z","tsMs":1795176000007,"kind":"vend","transport":"socket","outcome":"ok",' +
      '"grant":"agent-a","accessKeyId":"ASIAEXAMPLE","peer":{"uid":1000,"gid":1000,"pid":42,' +
      '"executable":"/usr/bin/python3"},"expiresAt":"2026-11-20T13:00:00Z"}',
  );
});

test("what was written is read again", () => {
  const record = toRecord(event, NOW);
  expect(parseRecord(JSON.stringify(record))).toEqual(record);
});

test.each([
  ["nothing", ""],
  ["a line that was cut", '{"time":"2026-11-20T12:00:00.000Z","tsMs":17'],
  ["another object", '{"time":"2026-11-20T12:00:00.000Z","level":"info","event":"daemon started"}'],
  ["null", "null"],
  ["an array", "[]"],
  ["a time that is no number", '{"time":"t","tsMs":"1","kind":"vend","transport":"control","outcome":"ok"}'],
  ["a peer that is none", '{"time":"t","tsMs":1,"kind":"vend","transport":"control","outcome":"ok","peer":null}'],
  ["a grant that is no text", '{"time":"t","tsMs":1,"kind":"vend","transport":"control","outcome":"ok","grant":1}'],
])("%s is no record", (_, line) => {
  expect(parseRecord(line)).toBeUndefined();
});

test("the kind is known from the head alone, whatever a peer put behind it", () => {
  const forged = '{"time":"2026-11-20T12:00:00.000Z","tsMs":1,"kind":"grant"';
  expect(kindOfLine(JSON.stringify(toRecord(event, NOW)))).toBe("vend");
  expect(kindOfLine(JSON.stringify(toRecord({ ...event, config: forged }, NOW)))).toBe("vend");
  expect(kindOfLine(`x${forged}`)).toBeUndefined();
});

test("the life of a grant is kept, and nothing else", () => {
  const kinds = "vend issue grant revoke remove expire session confirm junk daemon".split(" ");
  expect(kinds.filter((kind) => isKept(kind as AuditEvent["kind"]))).toEqual(["grant", "revoke", "remove", "expire"]);
});
