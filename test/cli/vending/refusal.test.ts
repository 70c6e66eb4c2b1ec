import { expect, test } from "bun:test";
import { readRefusal } from "../../../src/cli/vending/grant-socket.ts";
import { errors } from "../../../src/errors.ts";
import { encode } from "../../../src/wire/codec.ts";
import { encodeFrame } from "../../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply } from "../../../src/wire/messages.ts";

test("an error reply is the error that it says", () => {
  const reply = { number: errors.revoked.number, message: "this grant was revoked", hint: "ask for another" };
  const error = readRefusal(encodeFrame(ERROR_NUMBER, encode(errorReply, reply)));
  expect(error).toMatchObject({ kind: "revoked", message: reply.message, hint: reply.hint, exitStatus: 9 });
});

test("no answer is a timeout, and what is no reply is not understood", () => {
  expect(readRefusal("timeout")).toMatchObject({ kind: "timeout", exitStatus: 7 });
  expect(readRefusal(encodeFrame(ERROR_NUMBER, new Uint8Array(1)))).toMatchObject({ kind: "unsupported-version" });
});
