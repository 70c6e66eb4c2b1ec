import { expect, test } from "bun:test";
import { createRefusals, kindOnSocket } from "../../../src/daemon/grants/refusal.ts";
import { type ErrorName, errors } from "../../../src/errors.ts";
import { decode } from "../../../src/wire/codec.ts";
import { BODY_START } from "../../../src/wire/frame.ts";
import { errorReply } from "../../../src/wire/messages.ts";

const kinds = Object.keys(errors) as ErrorName[];

test.each(kinds)("%s has one short text, in the voice of all errors, with a hint", (kind) => {
  const reply = decode(errorReply, createRefusals("agent")(kind), BODY_START);
  expect(reply.message).toMatch(/^[a-z].{5,100}[^.]$|^AWS .{5,100}[^.]$/);
  expect(reply.hint).toMatch(/^ask whoever made this grant: keyhole grant show agent$|^try again in a few seconds$/);
  expect(reply.number).toBe(errors[kindOnSocket(kind)].number);
});

test("a refusal is made once for each kind", () => {
  const refusals = createRefusals("agent");
  for (const kind of kinds) expect(refusals(kind)).toBe(refusals(kind));
});

test("what a holder has no use for is all the same to it", () => {
  const refusals = createRefusals("agent");
  const inner = ["unsafe-path", "no-such-session", "no-such-grant", "invalid-grant", "bad-request", "usage"] as const;
  for (const kind of inner) expect(refusals(kind)).toBe(refusals("internal"));
});
