import { expect, test } from "bun:test";
import { Counters } from "../../src/daemon/status.ts";

test("percentiles are 0 before the first call, and then the nearest rank in whole milliseconds", () => {
  const counters = new Counters();
  expect(counters.percentile(0.5)).toBe(0);
  counters.took(10.2);
  expect(counters.percentile(0.5)).toBe(11);
  expect(counters.percentile(0.99)).toBe(11);
  for (let milliseconds = 1; milliseconds <= 99; milliseconds += 1) counters.took(milliseconds);
  expect(counters.percentile(0.5)).toBe(49);
  expect(counters.percentile(0.99)).toBe(98);
});

test("percentiles look back on 256 calls", () => {
  const counters = new Counters();
  for (let call = 0; call < 256; call += 1) counters.took(1_000);
  for (let call = 0; call < 255; call += 1) counters.took(5);
  expect(counters.percentile(1)).toBe(1_000);
  counters.took(5);
  expect(counters.percentile(1)).toBe(5);
});
