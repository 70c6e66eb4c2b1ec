// Hours of use in milliseconds: sessions.ts, refresh.ts and the clock together, as src/DESIGN.md#renewal promises it.
import { expect, setDefaultTimeout, test } from "bun:test";
import * as fc from "fast-check";
import { settle } from "../fakes/clock.ts";
import { roleConfig } from "../fakes/configs.ts";
import { failureOf } from "../fakes/source.ts";
import { errorOf, newWorld, seededRandom } from "../fakes/world.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

// Work, not waiting: a second or two where nothing else runs.
setDefaultTimeout(60_000);

const seeds = [1, 2, 3, 4, 5];

test.each(seeds)(
  "6 h with 3,600 s sessions: at most 12 AssumeRole, never under 16 min left (seed %d)",
  async (seed) => {
    const it = newWorld({ random: seededRandom(seed) });
    await it.add("a");
    for (let elapsed = 0; elapsed < 6 * HOUR; elapsed += 10 * SECOND) {
      expect(it.left(await it.vend("a"))).toBeGreaterThanOrEqual(16 * MINUTE);
      await it.clock.advance(10 * SECOND);
    }
    expect(it.source.count).toBeWithin(10, 13);
  },
);

test("6 h with 3,600 s sessions, jitter always the least or always the most: at most 12 AssumeRole", async () => {
  for (const random of [0, 1 - Number.EPSILON]) {
    const it = newWorld({ random: () => random });
    await it.add("a");
    for (let elapsed = 0; elapsed < 6 * HOUR; elapsed += MINUTE) {
      expect(it.left(await it.vend("a"))).toBeGreaterThanOrEqual(16 * MINUTE);
      await it.clock.advance(MINUTE);
    }
    expect(it.source.count).toBeWithin(10, 13);
  }
});

test("1,800 s sessions, whose answer took a while: never under 16 min left", async () => {
  const it = newWorld({ random: seededRandom(7) });
  it.source.lifetime = 1_800 * SECOND - 900;
  await it.add("a", 1_800);
  for (let elapsed = 0; elapsed < 3 * HOUR; elapsed += 10 * SECOND) {
    expect(it.left(await it.vend("a"))).toBeGreaterThanOrEqual(16 * MINUTE);
    await it.clock.advance(10 * SECOND);
  }
});

test.each(["hangs", "refuses"])(
  "an outage of 20 min, in which STS %s, at any time: no caller sees an error",
  async (how) => {
    for (let start = 0; start < 70 * MINUTE; start += 7 * MINUTE) {
      const it = newWorld({ random: seededRandom(start) });
      await it.add("a");
      await it.vend("a");
      for (let elapsed = 0; elapsed < 2 * HOUR; elapsed += 10 * SECOND) {
        const isOut = elapsed >= start && elapsed < start + 20 * MINUTE;
        it.source.failure = isOut && how === "refuses" ? failureOf("network") : undefined;
        it.source.holds = isOut && how === "hangs";
        // A caller may wait up to 2 s here, and time must pass meanwhile.
        const vend = it.vend("a");
        await it.clock.advance(10 * SECOND);
        expect(it.left(await vend)).toBeGreaterThan(MINUTE);
      }
    }
  },
);

test("900 s sessions: at most one AssumeRole per half life, whatever the number of vends", async () => {
  for (const random of [() => 0, seededRandom(3)]) {
    const it = newWorld({ random });
    await it.add("a", 900);
    for (let elapsed = 0; elapsed < 3 * HOUR; elapsed += 5 * SECOND) {
      for (let vends = 0; vends < 10; vends += 1) expect(it.left(await it.vend("a"))).toBeGreaterThan(6 * MINUTE);
      await it.clock.advance(5 * SECOND);
    }
    const gaps = it.source.times.slice(1).map((time, index) => time - (it.source.times[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(450 * SECOND);
    expect(it.source.count).toBeLessThanOrEqual(1 + (3 * HOUR) / (450 * SECOND));
  }
});

test.each([61, 75, 90, 120, 180, 300])("sessions of %d s are vended above the floor", async (seconds) => {
  const it = newWorld({ random: seededRandom(seconds) });
  it.source.lifetime = seconds * SECOND;
  await it.add("a");
  for (let elapsed = 0; elapsed < 10 * MINUTE; elapsed += 100) {
    expect(it.left(await it.vend("a"))).toBeGreaterThanOrEqual(MINUTE);
    await it.clock.advance(100);
  }
});

test("ten thousand sessions renew with one timer and few flights", async () => {
  const it = newWorld({ random: seededRandom(1), maxSessions: 20_000 });
  for (let index = 0; index < 10_000; index += 1) {
    await it.add(`s${index}`);
    await it.vend(`s${index}`);
  }
  expect(it.clock.armed).toBe(1);
  await it.clock.advance(40 * MINUTE);
  expect(it.source.count).toBe(20_000);
  expect(it.source.peak).toBeLessThanOrEqual(8);
  expect(it.source.peakOfOneName).toBe(1);
  it.sessions.stop();
});

type Step =
  | { readonly do: "vend"; readonly name: string }
  | { readonly do: "advance" | "suspend" | "step"; readonly by: number }
  | { readonly do: "hold" | "release" | "heal" }
  | { readonly do: "fail"; readonly kind: "network" | "aws-refused" }
  | { readonly do: "rewrite" | "remove" | "renew"; readonly name: string };

const name = fc.constantFrom("a", "b", "c");
const by = fc.oneof(fc.integer({ min: 1, max: 5 * SECOND }), fc.integer({ min: 1, max: 45 * MINUTE }));
/** More than what is taken for a jump; smaller steps are what the floor is for. */
const jump = fc.oneof(
  fc.integer({ min: 31 * SECOND, max: 4 * HOUR }),
  fc.integer({ min: -4 * HOUR, max: -31 * SECOND }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("vend" as const), name }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const), by }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("suspend" as const), by }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("step" as const), by: jump }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("hold" as const, "release" as const, "heal" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("fail" as const), kind: fc.constantFrom("network", "aws-refused") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("rewrite" as const, "remove" as const, "renew" as const), name }),
  },
) as fc.Arbitrary<Step>;

const options = fc.record({
  lifetime: fc.integer({ min: 61, max: 2 * 3_600 }),
  seed: fc.integer(),
  maxSessions: fc.constantFrom(1, 2, 64),
  maxFlights: fc.constantFrom(1, 2, 8),
});

test("whatever happens: never under 60 s, one flight per session, the right config, an unwiped line", async () => {
  await fc.assert(
    fc.asyncProperty(options, fc.array(step, { maxLength: 60 }), async (setup, steps) => {
      const it = newWorld({ ...setup, random: seededRandom(setup.seed) });
      it.source.lifetime = setup.lifetime * SECOND;
      let versions = 0;
      for (const each of ["a", "b", "c"]) await it.add(each);
      const answers: Promise<unknown>[] = [];

      const vend = async (config: string): Promise<void> => {
        const asked = it.configs.read(config).config.AssumeRole?.RoleArn;
        const issue = await it.vend(config);
        const isRewritten = asked !== it.configs.read(config).config.AssumeRole?.RoleArn;
        // A Date has whole seconds, and skews below 2 s are taken for its rounding.
        expect(it.left(issue)).toBeGreaterThanOrEqual(MINUTE - 2 * SECOND);
        expect(issue.config).toBe(config);
        expect(issue.line[0]).toBe("{".charCodeAt(0));
        if (!isRewritten) expect(issue.arn).toBe(asked!);
      };

      for (const each of steps) {
        switch (each.do) {
          case "vend":
            answers.push(vend(each.name).catch(allowFailure));
            break;
          case "advance":
            await it.clock.advance(each.by);
            break;
          case "suspend":
            // Whoever was answered has seen the answer: no machine sleeps between two microtasks.
            await settle();
            it.clock.suspend(each.by);
            break;
          case "step":
            // Between two looks at the clocks: a step and a sleep of the same length at once are seen by nobody.
            await it.clock.advance(15 * SECOND);
            it.clock.step(each.by);
            await it.clock.advance(15 * SECOND);
            break;
          case "hold":
            it.source.holds = true;
            break;
          case "release":
            for (const call of it.source.held.splice(0)) call.release();
            break;
          case "heal":
            it.source.holds = false;
            it.source.failure = undefined;
            break;
          case "fail":
            it.source.failure = failureOf(each.kind);
            break;
          case "rewrite":
            versions += 1;
            it.configs.write(each.name, roleConfig(`${each.name}-${versions}`));
            await it.clock.advance(5);
            break;
          case "remove":
            it.sessions.remove(each.name);
            it.sessions.restore(each.name, {});
            break;
          case "renew":
            answers.push(it.sessions.add(each.name, {}, { verify: true, renew: true }).catch(allowFailure));
            break;
        }
      }
      it.source.holds = false;
      it.source.failure = undefined;
      await it.clock.advance(2 * MINUTE);
      await Promise.all(answers);
      expect(it.source.peakOfOneName).toBeLessThanOrEqual(1);
      expect(it.source.peakOfYoung).toBeLessThanOrEqual(setup.maxFlights);
      it.sessions.stop();
      await it.clock.advance(0);
      expect(it.clock.armed).toBe(0);
    }),
    { numRuns: 300 },
  );
});

/** What the steps above may bring about; everything else, a failed expectation above all, fails the test. */
function allowFailure(error: unknown): void {
  // Too short: the machine slept for some seconds between AWS's answer and its arrival.
  const kinds = ["network", "aws-refused", "no-such-session", "too-short"];
  if (!kinds.includes((error as { readonly kind?: string }).kind ?? "")) throw error;
}

test("a minute after any outage a vend works again", async () => {
  const it = newWorld({ random: seededRandom(9) });
  await it.add("a");
  await it.vend("a");
  it.source.failure = failureOf("network");
  await it.clock.advance(90 * MINUTE);
  expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "network" });
  it.source.failure = undefined;
  await it.clock.advance(MINUTE);
  expect(it.left(await it.vend("a"))).toBeGreaterThan(HOUR - MINUTE);
});
