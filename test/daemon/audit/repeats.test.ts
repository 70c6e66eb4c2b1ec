import { beforeEach, expect, test } from "bun:test";
import type { AuditEvent } from "../../../src/audit/line.ts";
import { collectRepeats, type Repeats } from "../../../src/daemon/audit/requests.ts";
import { FakeClock } from "../fakes/clock.ts";

let clock: FakeClock;
let lines: AuditEvent[];
let repeats: Repeats;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  repeats = collectRepeats((event) => void lines.push(event), clock);
});

const record = (what: string, pid: number) =>
  void repeats.record(what, pid, () => ({ kind: "vend", transport: "control", outcome: what, note: `${pid}` }));
const written = () => lines.map(({ outcome, note, count }) => `${outcome} of ${note} × ${count ?? 1}`);

test("the first is written at once, those that follow as one line when the second is over", async () => {
  for (let count = 0; count < 1000; count++) record("ok", 1);
  expect(written()).toEqual(["ok of 1 × 1"]);
  await clock.advance(999);
  expect(written()).toEqual(["ok of 1 × 1"]);
  await clock.advance(1);
  expect(written()).toEqual(["ok of 1 × 1", "ok of 1 × 999"]);
});

test("what happens once is one line, and the next second begins anew", async () => {
  record("ok", 1);
  await clock.advance(1000);
  record("ok", 1);
  await clock.advance(1000);
  expect(written()).toEqual(["ok of 1 × 1", "ok of 1 × 1"]);
  expect(clock.armed).toBe(0);
});

test("other processes and other outcomes are counted by themselves", async () => {
  for (const what of ["ok", "forbidden"]) for (const pid of [1, 2, 1]) record(what, pid);
  await clock.advance(1000);
  expect(written()).toEqual([
    "ok of 1 × 1",
    "ok of 2 × 1",
    "forbidden of 1 × 1",
    "forbidden of 2 × 1",
    "ok of 1 × 1",
    "forbidden of 1 × 1",
  ]);
});

test("a daemon that ends writes what it has counted", async () => {
  for (let count = 0; count < 3; count++) record("ok", 1);
  repeats.flush();
  expect(written()).toEqual(["ok of 1 × 1", "ok of 1 × 2"]);
  expect(clock.armed).toBe(0);
  await clock.advance(1000);
  expect(lines).toHaveLength(2);
});

test("a repeat asks nothing of the peer", () => {
  record("ok", 1);
  void repeats.record("ok", 1, () => {
    throw new Error("was asked");
  });
  expect(lines).toHaveLength(1);
});
