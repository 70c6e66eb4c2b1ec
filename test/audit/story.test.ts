import { expect, test } from "bun:test";
import type { AuditPeer } from "../../src/audit/line.ts";
import { tellStory } from "../../src/audit/story.ts";
import { lineOf } from "./fixture.ts";

const KEY = "ASIAEXAMPLEEXAMPLE01";
const python: AuditPeer = { uid: 1000, gid: 1000, pid: 7, executable: "/usr/bin/python3" };
const shell: AuditPeer = { uid: 1000, gid: 1000, pid: 8, executable: "/bin/sh" };
const facts = { config: "dev", roleArn: "arn:r", sessionName: "s", accessKeyId: KEY, expiresAt: 3_600_000 };

/** From new to old. */
const lines = [
  lineOf({ kind: "vend", ...facts, peer: python, count: 40 }, 5_000),
  lineOf({ kind: "vend", ...facts, accessKeyId: "ASIAOTHER", peer: shell }, 4_000),
  lineOf({ kind: "vend", ...facts, peer: shell }, 3_000),
  lineOf({ kind: "vend", ...facts, outcome: "forbidden", peer: shell }, 2_500),
  lineOf({ kind: "vend", ...facts, peer: python }, 2_000),
  lineOf({ kind: "issue", transport: "daemon", ...facts }, 1_000),
];

test("a key's story: what it is, since when and until when, and everybody who was given it how often", () => {
  expect(tellStory(lines, KEY)).toEqual({
    accessKeyId: KEY,
    grant: undefined,
    config: "dev",
    roleArn: "arn:r",
    sessionName: "s",
    issuedAt: "1970-01-01T00:00:01.000Z",
    expiresAt: "1970-01-01T01:00:00Z",
    givenTo: [
      {
        transport: "control",
        peer: python,
        times: 41,
        first: "1970-01-01T00:00:02.000Z",
        last: "1970-01-01T00:00:05.000Z",
      },
      {
        transport: "control",
        peer: shell,
        times: 1,
        first: "1970-01-01T00:00:03.000Z",
        last: "1970-01-01T00:00:03.000Z",
      },
    ],
  });
});

test("where the line of the issue is gone, the vends still say what it was", () => {
  expect(tellStory(lines.slice(0, -1), KEY)).toMatchObject({ issuedAt: undefined, roleArn: "arn:r", config: "dev" });
});

test("two grants on one role are told apart", () => {
  const both = [
    lineOf({ kind: "vend", grant: "a", ...facts, accessKeyId: "ASIAFIRST" }, 1),
    lineOf({ kind: "vend", grant: "b", ...facts, accessKeyId: "ASIASECOND" }, 1),
  ];
  expect(tellStory(both, "ASIAFIRST")?.grant).toBe("a");
  expect(tellStory(both, "ASIASECOND")?.grant).toBe("b");
});

test("a process that has exited is another holder than the one before", () => {
  const exited = lineOf({ kind: "vend", ...facts, peer: { ...python, exited: true } }, 9_000);
  expect(tellStory([exited, ...lines], KEY)?.givenTo).toHaveLength(3);
});

test("of a key that no line names there is no story, also where a line holds its text elsewhere", () => {
  expect(tellStory(lines, "ASIAUNKNOWN")).toBeUndefined();
  expect(tellStory([lineOf({ kind: "vend", config: "ASIAUNKNOWN" }, 1)], "ASIAUNKNOWN")).toBeUndefined();
});
