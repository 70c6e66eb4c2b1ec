import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  type AnyCodec,
  boolean,
  bytes,
  decode,
  encode,
  list,
  MalformedBody,
  optional,
  string,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../../src/wire/codec.ts";
import { errorReply, messages } from "../../src/wire/messages.ts";

const SEED = { seed: 20260201, numRuns: 100 };
const MAX = Number.MAX_SAFE_INTEGER;

function hex(codec: AnyCodec, value: unknown): string {
  return Buffer.from(encode(codec, value)).toString("hex");
}

test.each<[string, AnyCodec, unknown, string]>([
  ["u8", u8, 0xfe, "fe"],
  ["u16", u16, 0x0102, "0102"],
  ["u32", u32, 0xfffefdfc, "fffefdfc"],
  ["u64", u64, 0x1_0000_0002, "0000000100000002"],
  ["the largest u64", u64, MAX, "001fffffffffffff"],
  ["true", boolean, true, "01"],
  ["a string", string, "é", "0002c3a9"],
  ["bytes", bytes, Uint8Array.of(0, 0xff), "0000000200ff"],
  ["an optional that is absent", optional(u16), undefined, "00"],
  ["an optional that is there", optional(u16), 0, "010000"],
  ["a list", list(u8), [1, 2], "00020102"],
  ["fields in their order", struct({ b: u8, a: u16 }), { a: 1, b: 2 }, "020001"],
])("%s is its bytes", (_, codec, value, encoded) => {
  expect(hex(codec, value)).toBe(encoded);
  expect(decode<unknown>(codec, Buffer.from(encoded, "hex"))).toEqual(value);
});

test.each<[string, AnyCodec, unknown]>([
  ["u8 above", u8, 0x100],
  ["u16 above", u16, 0x1_0000],
  ["u32 above", u32, 0x1_0000_0000],
  ["u64 above", u64, MAX + 1],
  ["u8 negative", u8, -1],
  ["u16 negative", u16, -1],
  ["u32 negative", u32, -1],
  ["u64 negative", u64, -1],
  ["u8 fraction", u8, 0.5],
  ["u64 fraction", u64, 0.5],
  ["u32 not a number", u32, Number.NaN],
  ["u64 infinite", u64, Number.POSITIVE_INFINITY],
  ["u64 absent", u64, undefined],
  ["string too long", string, "é".repeat(0x8000)],
  ["list too long", list(u8), Array.from({ length: 0x1_0000 }, () => 0)],
])("%s is refused by the writer", (_, codec, value) => {
  expect(() => encode(codec, value)).toThrow(RangeError);
});

test("the longest string is carried", () => {
  const longest = "x".repeat(0xffff);
  expect(decode(string, encode(string, longest))).toBe(longest);
});

test("half a surrogate pair becomes a replacement character, so that no text costs an answer", () => {
  expect(decode(string, encode(string, "cut \ud83d"))).toBe("cut \ufffd");
});

test("bytes are copies, so that the frame they came in can be wiped", () => {
  const body = encode(bytes, Uint8Array.of(1, 2, 3));
  const value = decode(bytes, body);
  body.fill(0);
  expect(value).toEqual(Uint8Array.of(1, 2, 3));
});

test("a field named like a part of Object's prototype is a field", () => {
  const codec = struct({ constructor: u8, toString: u8 });
  expect(decode(codec, Uint8Array.of(1, 2))).toEqual({ constructor: 1, toString: 2 });
});

const codecs: readonly [string, AnyCodec][] = [
  ["error reply", errorReply],
  ...Object.entries(messages).flatMap(([name, { request, response }]): [string, AnyCodec][] => [
    [`${name} request`, request],
    [`${name} response`, response],
  ]),
];

/** Mostly small numbers, which are what lengths, counts and flags look like, so that decoding gets somewhere. */
const bodies = fc
  .array(fc.oneof({ weight: 5, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(255) }), { maxLength: 200 })
  .map((array) => Uint8Array.from(array));

test.each(codecs)("any bytes are one %s or a MalformedBody", (_, codec) => {
  fc.assert(
    fc.property(bodies, (body) => {
      const value = decodeOrRefuse(codec, body);
      if (value !== undefined) expect(encode(codec, value)).toEqual(body);
    }),
    SEED,
  );
});

test("random bytes are accepted often enough for the test above to mean something", () => {
  const accepted = fc.sample(bodies, { seed: 1, numRuns: 1000 }).filter((body) => {
    return codecs.some(([, codec]) => decodeOrRefuse(codec, body) !== undefined);
  });
  expect(accepted.filter((body) => body.length > 0).length).toBeGreaterThan(10);
});

function decodeOrRefuse(codec: AnyCodec, body: Uint8Array): unknown {
  try {
    return decode<unknown>(codec, body);
  } catch (error) {
    if (!(error instanceof MalformedBody)) throw error;
    return undefined;
  }
}
