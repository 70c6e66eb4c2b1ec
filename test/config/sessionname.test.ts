import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatSessionName, parseSessionName, type SessionIdentity } from "../../src/config/name.ts";

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
