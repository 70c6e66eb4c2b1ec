import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { ageOf, FLOOR, isIdle, remainingLife, renewalPoint, retryDelay } from "../../../src/daemon/sessions/refresh.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** In [0, 1), as the parameter is. */
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const milliseconds = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

test.each([
  { lifetime: 12 * HOUR, random: 0, point: 25 * MINUTE },
  { lifetime: HOUR, random: 0, point: 25 * MINUTE },
  { lifetime: HOUR, random: 0.5, point: 26.25 * MINUTE },
  { lifetime: 50 * MINUTE, random: 0, point: 21 * MINUTE },
  { lifetime: 30 * MINUTE, random: 0, point: 17 * MINUTE },
  { lifetime: 30 * MINUTE - 2 * SECOND, random: 0, point: 17 * MINUTE },
  { lifetime: 20 * MINUTE, random: 0, point: 10 * MINUTE },
  { lifetime: 15 * MINUTE, random: 0, point: 7.5 * MINUTE },
  { lifetime: 15 * MINUTE, random: 0.5, point: 7.125 * MINUTE },
  { lifetime: 2 * MINUTE, random: 0, point: 90 * SECOND },
  { lifetime: 70 * SECOND, random: 0.9, point: 65 * SECOND },
])("a lifetime of $lifetime ms with random $random renews at $point ms left", ({ lifetime, random: jitter, point }) => {
  expect(renewalPoint(lifetime, jitter)).toBeCloseTo(point, 3);
});

test("a long session renews with 17 to 27.5 min left, whatever the jitter", () => {
  fc.assert(
    fc.property(milliseconds(30 * MINUTE, 12 * HOUR), random, (lifetime, jitter) => {
      const point = renewalPoint(lifetime, jitter);
      expect(point).toBeGreaterThanOrEqual(17 * MINUTE);
      expect(point).toBeLessThanOrEqual(27.5 * MINUTE + 1);
    }),
  );
});

test("a short session renews in the second half of its life, or above the floor with half of what is there", () => {
  fc.assert(
    fc.property(milliseconds(FLOOR + 2, 29 * MINUTE), random, (lifetime, jitter) => {
      const point = renewalPoint(lifetime, jitter);
      expect(point).toBeGreaterThan(FLOOR);
      expect(point).toBeLessThan(lifetime);
      if (lifetime >= 3 * MINUTE) expect(point).toBeLessThanOrEqual(lifetime / 2);
    }),
  );
});

test.each([
  { left: 40 * MINUTE, lifetime: HOUR, age: "fresh" },
  { left: 25 * MINUTE, lifetime: HOUR, age: "due" },
  { left: 16 * MINUTE, lifetime: HOUR, age: "due" },
  { left: 16 * MINUTE - 1, lifetime: HOUR, age: "insist" },
  { left: FLOOR, lifetime: HOUR, age: "insist" },
  { left: FLOOR - 1, lifetime: HOUR, age: "spent" },
  { left: -HOUR, lifetime: HOUR, age: "spent" },
  { left: 16 * MINUTE, lifetime: 30 * MINUTE, age: "due" },
  { left: 8 * MINUTE, lifetime: 15 * MINUTE, age: "fresh" },
  { left: 7 * MINUTE, lifetime: 15 * MINUTE, age: "due" },
  { left: 3.7 * MINUTE, lifetime: 15 * MINUTE, age: "insist" },
  { left: 59 * SECOND, lifetime: 15 * MINUTE, age: "spent" },
  { left: 95 * SECOND, lifetime: 2 * MINUTE, age: "fresh" },
  { left: 61 * SECOND, lifetime: 2 * MINUTE, age: "due" },
  { left: 59 * SECOND, lifetime: 2 * MINUTE, age: "spent" },
] as const)("$left ms left of $lifetime ms are $age", ({ left, lifetime, age }) => {
  expect(ageOf(left, lifetime, renewalPoint(lifetime, 0))).toBe(age);
});

test("a session is never past the moment to insist before it was due", () => {
  fc.assert(
    fc.property(milliseconds(FLOOR + 2, 12 * HOUR), random, (lifetime, jitter) => {
      const renewsAt = renewalPoint(lifetime, jitter);
      expect(ageOf(renewsAt, lifetime, renewsAt)).toBe("due");
      expect(ageOf(renewsAt + 1, lifetime, renewsAt)).toBe("fresh");
    }),
  );
});

test.each([
  { name: "both agree", wall: 10 * MINUTE, monotonic: 10 * MINUTE, left: 50 * MINUTE },
  { name: "the wall clock was set back", wall: -3 * HOUR, monotonic: 10 * MINUTE, left: 50 * MINUTE },
  { name: "the machine slept", wall: 40 * MINUTE, monotonic: 10 * MINUTE, left: 20 * MINUTE },
  { name: "the wall clock was set forward", wall: 3 * HOUR, monotonic: 0, left: -2 * HOUR },
])("the lesser remaining life counts: $name", ({ wall, monotonic, left }) => {
  const lifespan = { expiresAt: 1e12 + HOUR, lifetime: HOUR, arrivedAt: 5_000 };
  expect(remainingLife(lifespan, { wall: 1e12 + wall, monotonic: 5_000 + monotonic })).toBe(left);
});

test.each([
  { failures: 1, most: 2 * SECOND },
  { failures: 2, most: 4 * SECOND },
  { failures: 5, most: 32 * SECOND },
  { failures: 6, most: 60 * SECOND },
  { failures: 5_000, most: 60 * SECOND },
])("after $failures failures the retry comes after 1 s and within $most ms, at random", ({ failures, most }) => {
  expect(retryDelay(failures, 0)).toBe(SECOND);
  expect(retryDelay(failures, 0.5)).toBe((most + SECOND) / 2);
  expect(retryDelay(failures, 0.999)).toBeLessThan(most);
});

test("a session is idle after two lifetimes, not before", () => {
  expect(isIdle(2 * HOUR, HOUR)).toBe(false);
  expect(isIdle(2 * HOUR + 1, HOUR)).toBe(true);
});
