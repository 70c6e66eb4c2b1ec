import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatSpan, parseSpan } from "../../src/grants/spans.ts";
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
