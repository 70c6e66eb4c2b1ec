import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { codeOf, isErrno } from "../src/errors.ts";

function thrownBy(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

test("a system error has the name of its errno", () => {
  const error = thrownBy(() => statSync("/dev/null/x"));
  expect(codeOf(error)).toBe("ENOTDIR");
  expect(isErrno(error, "ENOENT", "ENOTDIR")).toBeTrue();
  expect(isErrno(error, "ENOENT")).toBeFalse();
});

test.each([
  ["an error without a code", new Error("x")],
  ["nothing", undefined],
  ["null", null],
  ["a text", "ENOENT"],
  ["a number for a code", { code: 2 }],
])("%s has none", (_, error) => {
  expect(codeOf(error)).toBeUndefined();
  expect(isErrno(error, "ENOENT")).toBeFalse();
});
