import * as fc from "fast-check";
import { expect, test } from "bun:test";
import {
  type SessionIdentity,
  checkConfigName,
  checkProfileName,
  formatSessionName,
  isConfigName,
  parseSessionName,
  profileConfigName,
  profileOf,
} from "../../src/config/name.ts";
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

test.each([
  ["prod", "aws:prod"],
  ["000000011111:Admin@x.y", "aws:000000011111%3AAdmin%40x.y"],
  ["team a/(b)", "aws:team%20a%2F%28b%29"],
  ["büro", "aws:b%C3%BCro"],
])("a profile %j stands as %j in place of a config, and of a session", (profile, name) => {
  expect(profileConfigName(profile)).toBe(name);
  expect(profileOf(name)).toBe(profile);
  const identity = { config: name, directory: undefined, endpoint: "http://127.0.0.1:1" };
  expect(parseSessionName(formatSessionName(identity))).toEqual(identity);
  expect(isConfigName(name)).toBeFalse();
});

test("a word that stands for no profile is refused as one", () => {
  expect(profileOf(checkProfileName("😀".repeat(200)))).toBe("😀".repeat(200));
  expect(() => checkProfileName("")).toThrow("--profile takes the name of a profile");
  expect(() => checkProfileName("x".repeat(3100))).toThrow("the name of the profile is too long");
});

test.each(["aws:", "aws:a b", "aws:%", "aws:%61", "aws:../x", "dev", `aws:${"x".repeat(3100)}`])(
  "%j is no profile",
  (name) => {
    expect(profileOf(name)).toBeUndefined();
  },
);

const none = undefined;

test.each<[SessionIdentity, string]>([
  [{ config: "dev", directory: none, endpoint: none }, "dev"],
  [{ config: "dev", directory: none, endpoint: "http://127.0.0.1:4566" }, "dev (http://127.0.0.1:4566)"],
  [{ config: "dev", directory: "/home/u/.elhaz/configs", endpoint: none }, "dev (/home/u/.elhaz/configs)"],
  [{ config: "dev", directory: "/my dir", endpoint: "http://x" }, "dev (/my dir, http://x)"],
  [{ config: "dev", directory: "/a, http://x", endpoint: none }, "dev (/a%2C http://x)"],
  [{ config: "dev", directory: "/a%2C\n", endpoint: none }, "dev (/a%252C%0A)"],
])("%j is called %s", (identity, name) => {
  expect(formatSessionName(identity)).toBe(name);
  expect(parseSessionName(name)).toEqual(identity);
});

test("no two sessions have one name", () => {
  const part = fc.string({ unit: fc.constantFrom(...Array.from("/a%,() \n2C:h")) });
  const directory = fc.option(
    part.map((text) => `/${text}`),
    { nil: none },
  );
  const endpoint = fc.option(
    part.map((text) => `http://${text}`),
    { nil: none },
  );
  fc.assert(
    fc.property(fc.record({ config: fc.constantFrom("a", "a-b"), directory, endpoint }), (identity) => {
      expect(parseSessionName(formatSessionName(identity))).toEqual(identity);
    }),
  );
});

test.each(["", " ", "a b", "a ()", "a (", "a (/x", "a (/x) ", "../a", "a (/x, y, z)", "a (/%zz)", "a (/%41)"])(
  "%j is no session's name",
  (name) => expect(parseSessionName(name)).toBeUndefined(),
);
