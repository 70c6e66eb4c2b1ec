import { expect, test } from "bun:test";
import { checkConfigName, isConfigName } from "../../src/config/name.ts";
import { KeyholeError } from "../../src/errors.ts";

test.each(["dev", "a", "A-1_b", "-n", "_", "x".repeat(128)])("%j is a name", (name) => {
  expect(isConfigName(name)).toBeTrue();
  expect(checkConfigName(name)).toBe(name);
});

test.each(["", " ", "a b", "a.b", "../a", "a/b", "ä", "a\n", "x".repeat(129), "a\u0000"])(
  "%j is none, and is not repeated",
  (name) => {
    expect(isConfigName(name)).toBeFalse();
    expect(() => checkConfigName(name)).toThrow(KeyholeError);
    if (name.length > 2) expect(() => checkConfigName(name)).not.toThrow(name);
  },
);
