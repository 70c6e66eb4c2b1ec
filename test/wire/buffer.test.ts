import { expect, test } from "bun:test";
import { MalformedBody, Reader, Writer } from "../../src/wire/buffer.ts";

test("a writer keeps what was written while it grows", () => {
  const writer = new Writer();
  const pieces = Array.from({ length: 300 }, (_, index) => new Uint8Array(index).fill(index));
  for (const piece of pieces) writer.append(piece);
  expect(writer.finish()).toEqual(new Uint8Array(Buffer.concat(pieces)));
});

test("a writer writes integers into the larger buffer", () => {
  const writer = new Writer();
  writer.append(new Uint8Array(1000));
  writer.unsigned(2, 0x0102);
  expect(writer.finish().subarray(1000)).toEqual(Uint8Array.of(1, 2));
});

test("a writer leaves nothing in a buffer that it outgrew", () => {
  const writer = new Writer();
  writer.append(new TextEncoder().encode("canary"));
  const outgrown = writer.finish();
  writer.append(new Uint8Array(1000));
  expect(outgrown).toEqual(new Uint8Array("canary".length));
});

test("a reader never leaves its bytes, even where they are part of a larger buffer", () => {
  const reader = new Reader(Uint8Array.of(9, 1, 2, 3, 9).subarray(1, 4));
  expect(reader.take(2)).toEqual(Uint8Array.of(1, 2));
  expect(reader.remaining).toBe(1);
  expect(() => reader.take(2)).toThrow(MalformedBody);
  expect(reader.take(1)).toEqual(Uint8Array.of(3));
  reader.finish();
});

test.each([
  ["short", "dev", "dev"],
  ["empty", "", ""],
  ["of every ASCII character", String.fromCharCode(...Array(128).keys()), String.fromCharCode(...Array(128).keys())],
  ["not ASCII at its end", "dév", undefined],
])("a reader takes text that is %s, or leaves it", (_, text, expected) => {
  const bytes = Buffer.from(text);
  const reader = new Reader(new Uint8Array(Buffer.concat([Buffer.from("é"), bytes, Buffer.from("é")])).subarray(1));
  reader.take(1);
  expect(reader.ascii(bytes.length)).toBe(expected);
  expect(reader.remaining).toBe(expected === undefined ? bytes.length + 2 : 2);
});

test("a reader of text never leaves its bytes", () => {
  expect(() => new Reader(Uint8Array.of(65)).ascii(2)).toThrow(MalformedBody);
});

test("a reader begins where it is told to", () => {
  const reader = new Reader(Uint8Array.of(9, 9, 1, 2), 2);
  expect(reader.remaining).toBe(2);
  expect(reader.unsigned(2)).toBe(0x0102);
  reader.finish();
});

test("a reader insists on having read everything", () => {
  expect(() => new Reader(Uint8Array.of(1)).finish()).toThrow("bytes follow the last field");
});
