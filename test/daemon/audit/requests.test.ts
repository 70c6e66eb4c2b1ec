import { beforeEach, expect, test } from "bun:test";
import type { AuditEvent } from "../../../src/audit/line.ts";
import { createRequestAudit, type RequestAudit } from "../../../src/daemon/audit/requests.ts";
import type { WitnessedPeer } from "../../../src/server/peers.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { newWorld, type World } from "../fakes/world.ts";

let world: World;
let lines: AuditEvent[];
let audit: RequestAudit;

beforeEach(async () => {
  world = newWorld();
  lines = [];
  audit = createRequestAudit((event) => void lines.push(event), world.clock, "control");
  await world.add("dev");
});

const peer: WitnessedPeer = {
  uid: 1000,
  gid: 100,
  pid: 42,
  witness: { executable: "/usr/bin/aws", parent: () => undefined, hasEnded: () => false },
};
const written = { uid: 1000, gid: 100, pid: 42, executable: "/usr/bin/aws" };

test("a vend says what was given, until when, and to whom", async () => {
  const issue = await world.vend("dev");
  void audit.vended(issue, peer);
  expect(lines).toEqual([
    {
      kind: "vend",
      transport: "control",
      outcome: "ok",
      config: "dev",
      roleArn: "arn:aws:iam::111122223333:role/dev",
      sessionName: "test",
      accessKeyId: "ASIA-dev-1",
      expiresAt: issue.expiresAt,
      peer: written,
    },
  ]);
});

test("30,000 vends of one process in a second are two lines that count 30,000", async () => {
  const issue = await world.vend("dev");
  for (let count = 0; count < 30_000; count++) void audit.vended(issue, peer);
  await world.clock.advance(1000);
  expect(lines.map(({ count }) => count)).toEqual([undefined, 29_999]);
});

test("the first vend of a second waits for its line, and no other does", async () => {
  const issue = await world.vend("dev");
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = createRequestAudit(
    () => {},
    world.clock,
    "control",
    () => promise,
  );
  const first = waiting.vended(issue, peer);
  expect(Bun.peek.status(first as Promise<void>)).toBe("pending");
  expect(waiting.vended(issue, peer)).toBeUndefined();
  resolve();
  await first;
});

test("other credentials are another line, within the same second", async () => {
  void audit.vended(await world.vend("dev"), peer);
  await world.add("prod");
  void audit.vended(await world.vend("prod"), peer);
  expect(lines.map(({ accessKeyId }) => accessKeyId)).toEqual(["ASIA-dev-1", "ASIA-prod-2"]);
});

test("a session that is added or removed is a line", async () => {
  await world.vend("dev");
  audit.added(world.sessions.list()[0]!, peer);
  audit.removed("dev", peer);
  expect(lines).toMatchObject([
    { kind: "session", outcome: "ok", config: "dev", accessKeyId: "ASIA-dev-1", note: "added", peer: written },
    { kind: "session", outcome: "ok", config: "dev", note: "removed", peer: written },
  ]);
});

test("a refusal is named by its error; ours are called internal, and no message is repeated", () => {
  audit.refused("vend", "dev", new KeyholeError("aws-refused", "canary"), peer);
  audit.refused("session", "dev", new Error("canary"), peer);
  expect(lines.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual(["vend aws-refused", "session internal"]);
  expect(JSON.stringify(lines)).not.toContain("canary");
});

test("that there is no session yet is no refusal of a vend, and is one of a removal", () => {
  const error = new KeyholeError("no-such-session", "none");
  audit.refused("vend", "dev", error, peer);
  expect(lines).toEqual([]);
  audit.refused("session", "dev", error, peer);
  expect(lines).toHaveLength(1);
});

function refuse(name: string, by: WitnessedPeer): void {
  audit.refused("vend", name, new KeyholeError("forbidden", "no"), by);
}

test("a million refused names of one user are a few lines a second, and hide nobody else's", async () => {
  for (let count = 0; count < 1_000_000; count++) refuse(`name-${count}`, { ...peer, pid: count % 50 });
  refuse("dev", { ...peer, uid: 7, pid: 7 });
  await world.clock.advance(1000);
  expect(lines).toHaveLength(23);
  expect(lines.filter(({ config }) => config !== undefined)).toHaveLength(21);
  expect(lines.find(({ peer: by }) => by?.uid === 7)).toMatchObject({ outcome: "forbidden", config: "dev" });
  const counted = lines.map(({ count }) => count ?? 1);
  expect(counted.reduce((sum, count) => sum + count)).toBe(1_000_001);
  refuse("later", peer);
  expect(lines.at(-1)).toMatchObject({ config: "later" });
}, 30_000);

test("what is no name is not repeated, and all of it is one thing", async () => {
  for (let count = 0; count < 100; count++) refuse(`${count}\u0001`.padEnd(4000, "\u0001"), peer);
  await world.clock.advance(1000);
  expect(lines.map(({ config, count }) => [config, count])).toEqual([
    [undefined, undefined],
    [undefined, 99],
  ]);
});

test("a daemon that ends writes what it has counted", async () => {
  const issue = await world.vend("dev");
  for (let count = 0; count < 3; count++) void audit.vended(issue, peer);
  audit.flush();
  expect(lines.map(({ count }) => count)).toEqual([undefined, 2]);
});
