import { expect, test } from "bun:test";
import { defaultSessionName } from "../../src/sources/sts/parameters.ts";

test.each([
  ["alice", "dev", "keyhole-alice-dev"],
  ["DOMAIN\\élan", "dev_1", "keyhole-DOMAIN--lan-dev_1"],
  ["", "d", "keyhole--d"],
])("names the session of %s for %s", (user, config, name) => {
  expect(defaultSessionName(user, config)).toBe(name);
});

test("keeps long names within 64 characters, apart and the same", () => {
  const [one, other] = ["a", "b"].map((end) => defaultSessionName("user", "x".repeat(80) + end));
  expect(one).toMatch(/^[\w+=,.@-]{64}$/);
  expect(one).not.toBe(other!);
  expect(one).toBe(defaultSessionName("user", `${"x".repeat(80)}a`));
});
