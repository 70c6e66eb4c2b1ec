import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  formatRate,
  formatSpan,
  formatTime,
  isRate,
  parseRate,
  parseSpan,
  parseTime,
} from "../../src/grants/formats.ts";
import { DEFAULT_RATE } from "../../src/grants/grant.ts";
import { thrownBy } from "../thrown.ts";

test.each([
  ["8h", 28_800],
  ["90m", 5400],
  ["1h30m", 5400],
  ["7d", 604_800],
  ["3600s", 3600],
  ["3600", 3600],
  ["1d2h3m4s", 93_784],
  ["0h1s", 1],
  ["1h30", 3630],
  ["3650d", 315_360_000],
])("%p is %d seconds", (text, seconds) => {
  expect(parseSpan(text, "--ttl")).toBe(seconds);
});

test.each([
  "",
  "0",
  "0s",
  "h",
  "1.5h",
  "-1h",
  "1h -1m",
  "1H",
  "1m1h",
  "8 h",
  " 8h",
  "1w",
  "3651d",
  "9".repeat(11),
  "s",
])("%j is no span, and is not repeated", (text) => {
  const error = thrownBy(() => parseSpan(text, "--ttl"));
  expect([error.kind, error.message]).toEqual([
    "usage",
    "--ttl must be a span of time, like 8h, 90m, 1h30m or 3600s, of 3650d at most",
  ]);
});

test.each([
  [0, "0s"],
  [59, "59s"],
  [5400, "1h30m"],
  [86_400, "1d"],
  [90_061, "1d1h1m1s"],
])("%d seconds are written as %p", (seconds, text) => {
  expect(formatSpan(seconds)).toBe(text);
});

test("what is written is read as the same span", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 315_360_000 }), (seconds) => {
      expect(parseSpan(formatSpan(seconds), "--ttl")).toBe(seconds);
    }),
  );
});

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

test.each([
  [0, "1970-01-01T00:00:00Z"],
  [1_759_354_471_000, "2025-10-01T21:34:31Z"],
  [1_759_354_471_380, "2025-10-01T21:34:31.380Z"],
])("%d is written as %s", (time, text) => {
  expect(formatTime(time)).toBe(text);
  expect(parseTime(text)).toBe(time);
});

test("every time up to the year 9999 is read as it was written", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (time) => {
      expect(parseTime(formatTime(time))).toBe(time);
    }),
  );
});

test.each(
  [
    ["", "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00"],
    ["2026-01-01 00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.1Z", "tomorrow"],
  ].flat(),
)("%j is no time", (text) => {
  expect(parseTime(text)).toBeUndefined();
});
