import { expect, test } from "bun:test";
import {
  decodeAnswer,
  encodeAnswer,
  ended,
  fetchFrame,
  forbidden,
  isAnswer,
  isFetch,
  tooMany,
} from "../../src/bridge/pipe.ts";
import { encodeError } from "../../src/server/dispatch.ts";
import { KeyholeError } from "../../src/errors.ts";
import { encodeFrame, Frame } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, messages } from "../../src/wire/messages.ts";
import { thrownBy } from "../thrown.ts";

const nothing = new Uint8Array(0);

test("the request is the one of the wire's specification", () => {
  expect(Buffer.from(fetchFrame).toString("hex")).toBe("00000002010f");
  expect(isFetch(new Frame(fetchFrame))).toBe(true);
});

test.each([
  ...Object.entries(messages)
    .filter(([name]) => name !== "Fetch")
    .map(([name, { number }]) => [name, encodeFrame(number, nothing)] as const),
  ["a Fetch with a byte too many", encodeFrame(messages.Fetch.number, new Uint8Array(1))],
  ["a Fetch of another version", encodeFrame(messages.Fetch.number, nothing, 2)],
  ["an error reply", encodeFrame(ERROR_NUMBER, nothing)],
  ["a number that nobody knows", encodeFrame(0x7f, nothing)],
] as const)("%s is no Fetch", (_, bytes) => {
  expect(isFetch(new Frame(bytes))).toBe(false);
});

test.each([
  ["Fetch's response", encodeFrame(messages.Fetch.number, nothing), true],
  ["an error reply", encodeFrame(ERROR_NUMBER, nothing), true],
  ["a response of another version", encodeFrame(messages.Fetch.number, nothing, 2), false],
  ["another message's response", encodeFrame(messages.Vend.number, nothing), false],
] as const)("%s as an answer: %p", (_, bytes, expected) => {
  expect(isAnswer(new Frame(bytes))).toBe(expected);
});

test("an answer comes out as it went in", () => {
  const answer = { grant: "agent", config: "dev", region: undefined, line: new TextEncoder().encode("{}\n") };
  expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
});

test.each([
  ["forbidden", forbidden, "forbidden"],
  ["tooMany", tooMany, "throttled"],
  ["ended", ended, "unreachable"],
  ["the grant's own", encodeError(new KeyholeError("revoked", "this grant was revoked")), "revoked"],
  ["what is no answer", encodeFrame(messages.Fetch.number, new Uint8Array(3)), "unsupported-version"],
] as const)("the refusal %s is an error of its kind", (_, bytes, kind) => {
  expect(thrownBy(() => decodeAnswer(bytes))).toMatchObject({ kind });
});
