import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { errors } from "../../src/errors.ts";
import { type AnyCodec, decode, encode } from "../../src/wire/codec.ts";
import { CONTROL_REQUEST_LIMIT, encodeFrame, GRANT_REQUEST_LIMIT, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";
import {
  arbitraryOf,
  encodeBySpecification,
  type Field,
  fieldsOf,
  hexDumps,
  limitsOf,
  numbersUnder,
} from "./specification.ts";

const SEED = { seed: 20260201, numRuns: 60 };

interface Body {
  readonly what: string;
  readonly codec: AnyCodec;
  readonly fields: readonly Field[];
}

const bodies: readonly Body[] = [
  { what: "error reply", codec: errorReply, fields: fieldsOf(`Error reply (${ERROR_NUMBER})`) },
  ...Object.entries(messages).flatMap(([name, row]) =>
    (["request", "response"] as const).map((part) => ({
      what: `${name} ${part}`,
      codec: row[part],
      fields: fieldsOf(`${name} (${row.number})`, part),
    })),
  ),
];

test("the table of messages is that of messages.ts", () => {
  const numbers = Object.entries(messages).map(([name, { number }]) => [name, number]);
  expect(numbersUnder("Messages")).toEqual(Object.fromEntries(numbers));
});

test("the table of errors is that of errors.ts", () => {
  const numbers = Object.entries(errors).map(([name, { number }]) => [name, number]);
  expect(numbersUnder("Errors")).toEqual(Object.fromEntries(numbers));
});

test("the limits are those of frame.ts", () => {
  expect(limitsOf("requests on the control socket")).toEqual([64 * 1024, CONTROL_REQUEST_LIMIT]);
  expect(limitsOf("requests on a grant socket")).toEqual([4 * 1024, GRANT_REQUEST_LIMIT]);
  expect(limitsOf("responses on any socket")).toEqual([1024 * 1024, RESPONSE_LIMIT]);
});

test.each(bodies.map((body) => [body.what, body] as const))("%s is encoded as specified", (_, { codec, fields }) => {
  fc.assert(
    fc.property(arbitraryOf(fields), (value) => {
      const encoded = encode(codec, value);
      expect(Buffer.from(encoded).toString("hex")).toBe(encodeBySpecification(fields, value).toString("hex"));
      expect(decode<unknown>(codec, encoded)).toEqual(value);
      expect(Object.keys(decode<object>(codec, encoded))).toEqual(Object.keys(value));
    }),
    SEED,
  );
});

test("the worked example is what the code sends", () => {
  const line = new TextEncoder().encode('{"Version":1}\n');
  const failure = { number: errors["no-such-session"].number, message: "dev has no session" };
  const frames = [
    encodeFrame(messages.Vend.number, encode(messages.Vend.request, { config: "dev" })),
    encodeFrame(messages.Vend.number, encode(messages.Vend.response, { config: "dev", region: "eu-west-1", line })),
    encodeFrame(ERROR_NUMBER, encode(errorReply, { ...failure, hint: errors["no-such-session"].hint })),
  ];
  expect(hexDumps()).toEqual(frames);
});
