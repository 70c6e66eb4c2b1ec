import { expect, test } from "bun:test";
import { assert, property, uint8Array } from "fast-check";
import { decodeBytes, encodeBytes } from "../../src/native/libc.ts";

test("every sequence of bytes comes out as it went in", () => {
  assert(
    property(uint8Array({ maxLength: 40 }), (bytes) => {
      expect(new Uint8Array(encodeBytes(decodeBytes(bytes)))).toEqual(bytes);
    }),
  );
});

test.each(["", "plain", "grüße", "開発", "a\u{1f512}b", "\ufffd", "\ufeffbom"])(
  "%j is what its UTF-8 means",
  (text) => {
    expect(decodeBytes(Buffer.from(text))).toBe(text);
    expect(encodeBytes(text).equals(Buffer.from(text))).toBe(true);
  },
);

test("a byte that is not UTF-8 stands as a lone surrogate between the characters around it", () => {
  expect(decodeBytes(Uint8Array.of(0x61, 0xff, 0xc3, 0xbc, 0xc3))).toBe("a\udcff\u00fc\udcc3");
});
