import { expect, test } from "bun:test";
import { checkGrantName, checkNewGrantName, isGrantName } from "../../src/grants/names.ts";
import { thrownBy } from "../thrown.ts";

test.each(["a", "0", "agent-a", "a-", "x".repeat(32)])("%p is the name of a grant", (name) => {
  expect(isGrantName(name)).toBeTrue();
  expect(checkGrantName(name)).toBe(name);
});

test("a new one does not end with -, which no Pod's name may", () => {
  expect(checkNewGrantName("a-b")).toBe("a-b");
  expect(thrownBy(() => checkNewGrantName("a-"))).toMatchObject({ kind: "usage" });
});

test.each(
  [
    ["", "-a", "A", "Agent", "a_b", "a.b", "..", "a/b", "a b", "a\n", "\na", "é", "x".repeat(33)],
    ["a\u0000", "$(id)", "a'b", "\u001B[2J"],
  ].flat(),
)("%j is none, and is not repeated", (name) => {
  expect(isGrantName(name)).toBeFalse();
  const error = thrownBy(() => checkGrantName(name));
  expect([error.kind, error.message]).toEqual([
    "usage",
    "a grant's name has 1 to 32 small letters, digits or -, and does not begin with -",
  ]);
});
