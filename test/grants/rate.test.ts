import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { DEFAULT_RATE } from "../../src/grants/grant.ts";
import { formatRate, isRate, parseRate } from "../../src/grants/rate.ts";
import { thrownBy } from "../thrown.ts";

test.each([
  ["10/s", 10, 1000],
  ["600/m", 600, 60_000],
  ["100/h", 100, 3_600_000],
  ["5/10m", 5, 600_000],
  ["1/250ms", 1, 250],
  ["1000000/s", 1_000_000, 1000],
  ["1/24h", 1, 86_400_000],
])("%p is %d requests in %d ms, and is written so", (text, count, milliseconds) => {
  expect(parseRate(text, "--rate")).toEqual({ count, milliseconds });
  expect(formatRate({ count, milliseconds })).toBe(text);
});

test.each([
  "",
  "10",
  "10/",
  "/s",
  "0/s",
  "10/0s",
  "1000001/s",
  "1.5/s",
  "-1/s",
  "10/d",
  "10 / s",
  "10/S",
  "1/25h",
  "1e3/s",
])("%j is no rate, and is not repeated", (text) => {
  const error = thrownBy(() => parseRate(text, "--rate"));
  expect([error.kind, error.message]).toEqual([
    "usage",
    "--rate must be requests in a time, like 10/s, 600/m or 100/h, from 1 to 1000000",
  ]);
});

test("every rate is written in a form that is read as the same rate", () => {
  const rates = fc.record({
    count: fc.integer({ min: 1, max: 1_000_000 }),
    milliseconds: fc.oneof(
      fc.integer({ min: 1, max: 86_400_000 }),
      fc.integer({ min: 1, max: 24 }).map((n) => n * 3_600_000),
    ),
  });
  fc.assert(
    fc.property(rates, (rate) => {
      expect(isRate(rate)).toBeTrue();
      expect(parseRate(formatRate(rate), "--rate")).toEqual(rate);
    }),
  );
});

test("what no one could have written is no rate", () => {
  expect(isRate(DEFAULT_RATE)).toBeTrue();
  for (const [count, milliseconds] of [
    [0, 1000],
    [1, 0],
    [1_000_001, 1000],
    [1, 86_400_001],
  ] as const) {
    expect(isRate({ count, milliseconds })).toBeFalse();
  }
});
