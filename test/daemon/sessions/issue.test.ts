import { expect, test } from "bun:test";
import { Credentials } from "../../../src/credentials.ts";
import {
  type Issue,
  Wiper,
  answerFetch,
  answerVend,
  boundConfig,
  issueOf,
  refuseOverrun,
} from "../../../src/daemon/sessions/issue.ts";
import { Time } from "../../../src/daemon/sessions/time.ts";
import type { AssumedRole } from "../../../src/sources/source.ts";
import { FakeClock } from "../fakes/clock.ts";
import { decode } from "../../../src/wire/codec.ts";
import { BODY_START } from "../../../src/wire/frame.ts";
import { messages } from "../../../src/wire/messages.ts";
import { errorOf, newWorld } from "../fakes/world.ts";
import { roleConfig } from "../fakes/configs.ts";

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

async function newIssue() {
  const world = newWorld();
  await world.add("dev");
  return world.vend("dev");
}

test("a vend is answered with the config's name, a fetch with the grant's and the config's", async () => {
  const vended = await newIssue();
  expect(decode(messages.Vend.response, answerVend(vended), BODY_START)).toMatchObject({ config: "dev" });
  const fetched = await newIssue();
  const grant = { name: "agent", config: "dev", environment: { AWS_REGION: "of-the-adder" } };
  const answer = decode(messages.Fetch.response, answerFetch(fetched, grant), BODY_START);
  expect(answer).toMatchObject({ grant: "agent", config: "dev" });
  expect(Buffer.from(answer.line)).toEqual(Buffer.from(fetched.line));
});

test("an answer is made once for each issue", async () => {
  const issue = await newIssue();
  expect(answerVend(issue)).toBe(answerVend(issue));
});

const MINUTE = 60 * SECOND;
const NOW = Date.UTC(2026, 0, 1);

test.each([
  ["nothing ends it", undefined, undefined, undefined],
  ["more is left than the config asks for", 1_800, 7_200 * SECOND, 1_800],
  ["the config's duration does not fit", 3_600, 3_000 * SECOND, 2_990],
  ["the default does not fit", undefined, 3_000 * SECOND, 2_990],
  ["the default fits", undefined, 3_610 * SECOND, undefined],
  ["just enough for the shortest session is left", 3_600, 910 * SECOND, 900],
  ["a fraction of a second counts for nothing", 3_600, 910_999, 900],
])("where %s, STS is asked for what ends in time", (_, asked, left, expected) => {
  const until = left === undefined ? undefined : NOW + left;
  const { AssumeRole } = boundConfig({ config: roleConfig("dev", asked), until }, NOW);
  expect(AssumeRole).toEqual(roleConfig("dev", expected).AssumeRole);
});

test("a user's own session is made to end in time as well, and what is handed on is as it is", () => {
  const until = NOW + 3_610 * SECOND;
  expect(boundConfig({ config: { GetSessionToken: {} }, until }, NOW).GetSessionToken).toEqual({
    DurationSeconds: 3_600,
  });
  expect(boundConfig({ config: { GetSessionToken: { DurationSeconds: 900 } }, until }, NOW).GetSessionToken).toEqual({
    DurationSeconds: 900,
  });
  const config = { Session: { profile_name: "p" } };
  expect(boundConfig({ config, until: NOW }, NOW)).toBe(config);
});

test.each([909_999, 60_000, 0, -1])("with %i ms left STS is not asked at all", (left) => {
  expect(() => boundConfig({ config: roleConfig("dev", 900), until: NOW + left }, NOW)).toThrow(
    expect.objectContaining({ kind: "expired" }),
  );
});

test("credentials that outlive the end are refused", () => {
  const config = roleConfig("dev");
  refuseOverrun({ config, until: undefined }, NOW);
  refuseOverrun({ config, until: NOW }, NOW);
  expect(() => refuseOverrun({ config, until: NOW }, NOW + 1)).toThrow(expect.objectContaining({ kind: "expired" }));
});

test("near its end a session issues nothing any more; what is out is vended until that ends, and never past it", async () => {
  const { clock, source, configs, sessions } = newWorld();
  const until = clock.truth + 60 * MINUTE;
  configs.write("agent", roleConfig("dev", 3_600), until);
  await sessions.add("agent", {}, { verify: true, renew: false });
  let vends = 0;
  let last = 0;
  for (;;) {
    try {
      const { expiresAt } = await sessions.vend("agent");
      expect(expiresAt).toBeLessThanOrEqual(until);
      last = clock.truth;
      vends += 1;
    } catch (error) {
      expect(error).toMatchObject({ kind: "expired" });
      break;
    }
    await clock.advance(30 * SECOND);
  }
  expect(vends).toBeGreaterThan(115);
  expect(until - last).toBeLessThan(2 * MINUTE);
  for (const time of source.times) expect(until - time).toBeGreaterThanOrEqual(910 * SECOND);
  for (const { config } of source.calls) expect(config.AssumeRole?.DurationSeconds).toBeLessThanOrEqual(3_590);
  await clock.advance(20 * MINUTE);
  expect(source.times.every((time) => time < until - 900 * SECOND)).toBe(true);
});

test.each([-20, 20])("a clock that is %i min wrong is set right before anything is refused", async (minutes) => {
  const { clock, source, configs, sessions } = newWorld({ clockError: minutes * MINUTE });
  const until = clock.truth + 50 * MINUTE;
  configs.write("agent", roleConfig("dev", 3_600), until);
  await sessions.add("agent", {}, { verify: true, renew: false });
  expect(sessions.list()[0]!.expiresAt).toBeLessThanOrEqual(until);
  expect(source.count).toBe(minutes < 0 ? 2 : 1);
});

test("credentials that STS made longer than it was asked to are thrown away", async () => {
  const { clock, source, configs, sessions } = newWorld();
  configs.write("agent", roleConfig("dev", 3_600), clock.truth + 60 * MINUTE);
  source.lifetime = 120 * MINUTE;
  const error = await errorOf(sessions.add("agent", {}, { verify: true, renew: false }));
  expect(error.kind).toBe("expired");
  expect(sessions.list()[0]?.accessKeyId).toBeUndefined();
});
