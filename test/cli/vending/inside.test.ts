import { expect, test } from "bun:test";
import { hidePlaces, insideErrors } from "../../../src/cli/vending/inside.ts";
import { KeyholeError } from "../../../src/errors.ts";

test.each(Object.entries(insideErrors))("%s says nothing of paths and roles, and what to do", (_, make) => {
  const { message, hint } = make();
  expect(`${message} ${hint}`).not.toMatch(/\/|arn:/);
  expect(message).toMatch(/^[a-z][^.\n]*$/);
  expect(hint).toMatch(/^(on the host: )?keyhole /);
});

test.each(["unreachable", "blocked", "timeout", "unsupported-version"] as const)("%s loses its path", (kind) => {
  const hidden = hidePlaces(new KeyholeError(kind, "connecting to /home/ada/.keyhole/g/x/sock"));
  expect(hidden).toMatchObject({ kind });
  expect((hidden as KeyholeError).message).not.toContain("/");
});

test("what the broker answered stays as it is", () => {
  const error = new KeyholeError("revoked", "this grant was revoked");
  expect(hidePlaces(error)).toBe(error);
  const foreign = new Error("x");
  expect(hidePlaces(foreign)).toBe(foreign);
});
