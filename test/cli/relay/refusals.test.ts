import { expect, test } from "bun:test";
import { refusalOf } from "../../../src/cli/vending/container-endpoint.ts";
import { type ErrorName, errors } from "../../../src/errors.ts";

test.each(Object.keys(errors) as ErrorName[])("%s has a status that is an error, and a text of one line", (kind) => {
  const { status, code, message } = refusalOf(kind);
  expect([403, 500, 503]).toContain(status);
  expect(code).toBe(kind);
  expect(message).toMatch(/^[a-zA-Z' ,]+$/);
});

test.each(Object.keys(errors).filter((kind) => errors[kind as ErrorName].exit === 9) as ErrorName[])(
  "%s is final: no SDK is to try again",
  (kind) => {
    expect(refusalOf(kind).status).toBe(403);
  },
);
