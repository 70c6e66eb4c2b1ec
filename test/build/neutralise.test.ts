import { expect, test } from "bun:test";
import { neutralise } from "../../src/build/runtime.ts";

const names = [
  "BUN_BE_BUN",
  "BUN_OPTIONS",
  "BUN_INSPECT",
  "BUN_INSPECT_CONNECT_TO",
  "BUN_INSPECT_NOTIFY",
  "BUN_INSPECT_PRELOAD",
];

test("every name is zeros wherever it stands, and nothing else changes", () => {
  const text = `a${names.join("")}\0${names.join("\0")}\0BUN_INSTALL\0b`;
  const result = Buffer.from(neutralise(Buffer.from(text)));
  expect(result.length).toBe(text.length);
  expect(result.toString().replaceAll("\0", "")).toBe("aBUN_INSTALLb");
});

test("what was given stays as it was", () => {
  const given = Buffer.from(names.join("\0"));
  neutralise(given);
  expect(given.toString()).toBe(names.join("\0"));
});

test.each(names.filter((name) => name !== "BUN_INSPECT"))("an executable without %s is refused", (name) => {
  const others = names.filter((other) => other !== name);
  expect(() => neutralise(Buffer.from(others.join("\0")))).toThrow(`the executable does not mention ${name}`);
});
