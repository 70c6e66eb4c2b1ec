import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatTime, parseTime } from "../../src/grants/times.ts";

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
