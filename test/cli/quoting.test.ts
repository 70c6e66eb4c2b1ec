import { describe, expect, test } from "bun:test";
import { quoteDotenv, quoteFish, quotePowershell, quoteWindowsCmd } from "../../src/text/quoting.ts";
import { KeyholeError } from "../../src/errors.ts";
import { present, readBack, values } from "../shells.ts";

describe.each(present(["fish"]))("%s", (shell) => {
  test.each(values)("reads back %j", (value) => {
    expect(readBack([shell], `set -gx X ${quoteFish(value)}\nprintf %s "$X"`)).toBe(value);
  });
});

describe.each(present(["pwsh"]))("%s", (shell) => {
  test.each(values)("reads back %j", (value) => {
    expect(readBack([shell, "-Command", "-"], `[Console]::Write(${quotePowershell(value)})`)).toBe(value);
  });
});

test("a plain value stays bare in a .env file, because Docker takes quotes for part of it", () => {
  for (const value of ["ASIAEXAMPLE", "se/cr+et==", "2026-11-20T13:00:00Z", "eu-west-1"]) {
    expect(quoteDotenv(value)).toBe(value);
  }
});

test.each([
  [quoteFish, "it's \\ $x", String.raw`'it\'s \\ $x'`],
  [quotePowershell, "it's ‘x’ $y", "'it''s ‘‘x’’ $y'"],
  [quoteWindowsCmd, "a&b|c^d", "a&b|c^d"],
  [quoteDotenv, "two words", "'two words'"],
] as const)("%p writes %j as %j", (quote, value, expected) => {
  expect(quote(value)).toBe(expected);
});

test.each([
  [quoteWindowsCmd, ["%PATH%", 'a"b', "a!b", "a\nb"]],
  [quoteDotenv, ["it's", "a\nb"]],
] as const)("%p refuses what its syntax cannot say, without repeating it", (quote, refused) => {
  for (const value of refused) {
    expect(() => quote(value)).toThrow(KeyholeError);
    expect(() => quote(value)).not.toThrow(value);
  }
});
