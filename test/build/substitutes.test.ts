import { expect, test } from "bun:test";
import { absentWeak, substitutes } from "../../src/build/substitutes.ts";

test("a substitute is never itself substituted", () => {
  expect([...substitutes.values()].filter((name) => substitutes.has(name))).toEqual([]);
});

test("what has a substitute is not absent", () => {
  expect([...substitutes.keys()].filter((name) => absentWeak.has(name))).toEqual([]);
});
