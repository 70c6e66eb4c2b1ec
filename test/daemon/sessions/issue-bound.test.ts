import { expect, test } from "bun:test";
import { boundConfig, refuseOverrun } from "../../../src/daemon/sessions/issue.ts";
import { roleConfig } from "../fakes/configs.ts";
import { errorOf, newWorld } from "../fakes/world.ts";

const SECOND = 1000;
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
