import { expect, test } from "bun:test";
import { parseMode, parseSeconds, parseSwitch, parseWhole } from "../../src/text/numbers.ts";
import { thrownBy } from "../thrown.ts";

test.each([
  ["0", 0],
  ["007", 7],
  ["65535", 65_535],
])("%s is a whole number", (text, expected) => {
  expect(parseWhole(text, "--n", { most: 65_535 })).toBe(expected);
});

test.each(["", "-1", "1.5", "1e3", "0x10", " 1", "65536", "9".repeat(16)])("%j is none of the range", (text) => {
  const failure = thrownBy(() => parseWhole(text, "--n", { most: 65_535 }, "type this"));
  expect(failure).toMatchObject({
    kind: "usage",
    message: "--n must be a whole number from 0 to 65535",
    hint: "type this",
  });
});

test("without an end of the range none is named", () => {
  expect(parseWhole("123456789012345", "--n", {})).toBe(123_456_789_012_345);
  expect(thrownBy(() => parseWhole("many", "--n", {}))).toMatchObject({ message: "--n must be a whole number" });
});

test.each([
  ["20", 20_000],
  ["0.25", 250],
  ["0.0001", 1],
])("%s seconds are milliseconds", (text, expected) => {
  expect(parseSeconds(text, "--t", { most: 3600 })).toBe(expected);
});

test("no time at all is one only where that has a meaning", () => {
  expect(parseSeconds("0", "--t", { most: 3600, mayBeZero: true })).toBe(0);
  expect(thrownBy(() => parseSeconds("0", "--t", { most: 3600 }))).toMatchObject({
    kind: "usage",
    message: "--t must be seconds, above 0 and up to 3600",
  });
});

test.each(["", "1m", "-1", ".5", "3601"])("%j are no seconds", (text) => {
  expect(thrownBy(() => parseSeconds(text, "--t", { most: 3600, mayBeZero: true }))).toMatchObject({
    message: "--t must be seconds, up to 3600",
  });
});

test.each([
  ["1", true],
  ["true", true],
  ["0", false],
  ["false", false],
])("%s is %p", (text, expected) => {
  expect(parseSwitch(text, "SWITCH")).toBe(expected);
});

test.each(["", "yes", "TRUE", "2"])("%j is neither on nor off", (text) => {
  expect(thrownBy(() => parseSwitch(text, "SWITCH"))).toMatchObject({ message: "SWITCH must be 0 or 1" });
});

test.each(["660", "0660", "0o660"])("%s is a mode", (text) => {
  expect(parseMode(text, "MODE", [0o600, 0o660])).toBe(0o660);
});

test.each(["", "666", "432", "0x1b0", "06600"])("%j is none that may be", (text) => {
  expect(thrownBy(() => parseMode(text, "MODE", [0o600, 0o660]))).toMatchObject({
    message: "MODE must be 600 or 660, in octal",
  });
});
