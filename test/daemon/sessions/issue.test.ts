import { expect, test } from "bun:test";
import { Credentials } from "../../../src/credentials.ts";
import { type Issue, issueOf, Wiper } from "../../../src/daemon/sessions/issue.ts";
import { Time } from "../../../src/daemon/sessions/time.ts";
import type { AssumedRole } from "../../../src/sources/source.ts";
import { FakeClock } from "../fakes/clock.ts";

const SECOND = 1000;
const HOUR = 3_600 * SECOND;

interface Answer {
  readonly lasts: number | undefined;
  readonly clockSkew?: number | undefined;
  readonly durationSeconds?: number;
}

/** The issue of an answer that arrives now. */
function issueAt(clock: FakeClock, { lasts, clockSkew = 0, durationSeconds }: Answer): Issue {
  const time = new Time(clock);
  time.measured(clockSkew);
  const expiresAt = lasts === undefined ? undefined : clock.truth + lasts;
  const assumed: AssumedRole = {
    credentials: new Credentials({ accessKeyId: "ASIA", secretAccessKey: "s", sessionToken: "t", expiresAt }),
    assumedRoleId: "AROA:x",
    arn: "arn:x",
    region: undefined,
    sourceDescription: "environment",
    clockSkew,
    clock: "aws",
    notes: [],
    ungrantable: undefined,
    files: { paths: [], stamp: "", digest: "" },
  };
  return issueOf({ name: "a", roleArn: "arn:r", durationSeconds }, assumed, time, 0);
}

test.each([-2 * HOUR, 2 * HOUR])("a lifetime by another clock, off by %d ms, is told by AWS's", (offset) => {
  const clock = new FakeClock();
  const time = new Time(clock);
  time.measured(HOUR);
  const credentials = new Credentials({
    accessKeyId: "ASIA",
    secretAccessKey: "s",
    sessionToken: "t",
    expiresAt: clock.wall() + offset + HOUR,
  });
  const shown = {
    assumedRoleId: "AROA:x",
    arn: "arn:x",
    region: undefined,
    sourceDescription: "",
    notes: [],
    ungrantable: undefined,
    files: { paths: [], stamp: "", digest: "" },
  };
  const assumed = { credentials, ...shown, clockSkew: offset, clock: "foreign" as const };
  const issue = issueOf({ name: "a", roleArn: "arn:r", durationSeconds: undefined }, assumed, time, 0);
  expect(issue).toMatchObject({ lifetime: HOUR, issuedAt: time.wall, expiresAt: time.wall + HOUR });
  expect(issue.credentials.expiresAt).toBe(clock.wall() + offset + HOUR);
});

test("a lifetime is what is left by AWS's clock", () => {
  const clock = new FakeClock();
  clock.step(-3 * HOUR);
  const issue = issueAt(clock, { lasts: HOUR, clockSkew: 3 * HOUR });
  expect(issue).toMatchObject({ lifetime: HOUR, issuedAt: clock.truth, arrivedAt: clock.monotonic() });
});

test.each([60, 1, 0, -30])("credentials that last %d s are too short", (seconds) => {
  const lasts = seconds * SECOND;
  expect(() => issueAt(new FakeClock(), { lasts })).toThrow(expect.objectContaining({ kind: "too-short" }));
});

test("credentials that last 61 s are not too short", () => {
  expect(issueAt(new FakeClock(), { lasts: 61 * SECOND }).lifetime).toBe(61 * SECOND);
});

test("credentials without an expiry are refused", () => {
  expect(() => issueAt(new FakeClock(), { lasts: undefined })).toThrow(expect.objectContaining({ kind: "internal" }));
});

test("dropped lines are zeroed later, by one timer, or at once when asked", async () => {
  const clock = new FakeClock();
  const wiper = new Wiper(clock);
  const [first, second] = [issueAt(clock, { lasts: HOUR }), issueAt(clock, { lasts: HOUR })];
  wiper.drop(undefined);
  wiper.drop(first);
  wiper.drop(second);
  expect(clock.armed).toBe(1);
  await clock.advance(0);
  expect(first.line[0]).not.toBe(0);
  await clock.advance(SECOND);
  for (const { line } of [first, second]) expect(line.every((byte) => byte === 0)).toBe(true);
  const third = issueAt(clock, { lasts: HOUR });
  wiper.drop(third);
  wiper.wipe();
  expect(third.line.every((byte) => byte === 0)).toBe(true);
  expect(clock.armed).toBe(0);
});
