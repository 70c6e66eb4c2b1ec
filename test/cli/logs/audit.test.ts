import { expect, test } from "bun:test";
import type { AuditRecord } from "../../../src/audit/line.ts";
import { renderPeer, renderRecords, renderStory } from "../../../src/cli/commands/audit.ts";

const record: AuditRecord = {
  time: "2026-11-20T12:00:00.007Z",
  tsMs: 1_795_176_000_007,
  kind: "vend",
  transport: "control",
  outcome: "ok",
  config: "dev",
  accessKeyId: "ASIAEXAMPLEEXAMPLE01",
  peer: { uid: 1000, gid: 100, pid: 42, executable: "/usr/bin/aws" },
};

test("records stand in columns, with a heading where one is wanted", () => {
  const end: AuditRecord = {
    time: record.time,
    tsMs: 1,
    kind: "daemon",
    transport: "daemon",
    outcome: "ok",
    note: "ended",
  };
  expect(renderRecords([record, { ...record, grant: "agent-a", count: 41 }, end], true, undefined))
    .toMatchInlineSnapshot(`
    "TIME                  KIND     OVER     GRANT OR CONFIG   OUTCOME  KEY                   PEER
    2026-11-20T12:00:00Z  vend     control  dev               ok       ASIAEXAMPLEEXAMPLE01  uid 1000 pid 42 /usr/bin/aws
    2026-11-20T12:00:00Z  vend     control  agent-a           ok       ASIAEXAMPLEEXAMPLE01  uid 1000 pid 42 /usr/bin/aws, 41 times
    2026-11-20T12:00:00Z  daemon   daemon   -                 ok       -                     ended"
  `);
  expect(renderRecords([record], false, undefined)).not.toContain("TIME");
});

test("what follows later stands in the same columns", () => {
  const first = renderRecords([record], true, undefined).split("\n")[1]!;
  const later = renderRecords([{ ...record, kind: "session", config: "a", accessKeyId: undefined }], false, undefined);
  expect(later.indexOf("uid")).toBe(first.indexOf("uid"));
});

test.each([
  ["nobody", undefined, ""],
  ["a peer of another pid namespace", { uid: 1, gid: 2 }, "uid 1"],
  ["a peer of another user", { uid: 1, gid: 2, pid: 3 }, "uid 1 pid 3"],
  [
    "one whose connection was passed on",
    { uid: 1, gid: 2, pid: 3, exited: true as const },
    "uid 1 pid 3 (has exited: the connection was passed on)",
  ],
])("%s", (_, peer, text) => {
  expect(renderPeer(peer)).toBe(text);
});

test("whatever is in a line, no control reaches the terminal, and no second line", () => {
  const hostile = "x\n\u001b]0;title\u0007\u009b31m\u202e";
  const peer = { uid: 1, gid: 2, executable: hostile };
  const text = renderRecords([{ ...record, outcome: hostile, config: hostile, note: hostile, peer }], false, undefined);
  expect(text).toMatch(/^[\x20-\x7e]*$/);
});

test("a key's story is told, with everybody who was given it", () => {
  const story = {
    accessKeyId: "ASIAEXAMPLEEXAMPLE01",
    grant: "agent-a",
    config: "dev",
    roleArn: "arn:aws:iam::111122223333:role/dev",
    sessionName: "keyhole-agent-a-0123abcd",
    issuedAt: "2026-11-20T12:00:00.007Z",
    expiresAt: "2026-11-20T13:00:00Z",
    givenTo: [
      { transport: "socket", peer: record.peer, times: 41, first: record.time, last: "2026-11-20T12:30:00.000Z" },
      { transport: "file", peer: undefined, times: 1, first: record.time, last: record.time },
    ],
  } as const;
  expect(renderStory(story)).toMatchInlineSnapshot(`
    "key      ASIAEXAMPLEEXAMPLE01
    grant    agent-a
    config   dev
    role     arn:aws:iam::111122223333:role/dev
    session  keyhole-agent-a-0123abcd
    issued   2026-11-20T12:00:00.007Z
    expires  2026-11-20T13:00:00Z
    given to
      PEER                          OVER    TIMES     FIRST                 LAST
      uid 1000 pid 42 /usr/bin/aws  socket  41 times  2026-11-20T12:00:00Z  2026-11-20T12:30:00Z
      readers of the lease file     file    once      2026-11-20T12:00:00Z  2026-11-20T12:00:00Z"
  `);
  expect(renderStory({ ...story, givenTo: [], issuedAt: undefined })).toMatch(
    /not known any more[\s\S]*not given to any client$/,
  );
});
