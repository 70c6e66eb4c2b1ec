import { expect, test } from "bun:test";
import { alignUp, readAddend, readAddress, readString, toHex, viewOf, writeAddress } from "../../src/build/bytes.ts";

test("addresses are little-endian", () => {
  const view = viewOf(new Uint8Array([0xff, 0x03, 0x02, 0x01, 0, 0, 0, 0, 0]).subarray(1));
  expect(readAddress(view, 0)).toBe(0x010203);
});

test("an address that a number cannot hold exactly is refused", () => {
  const view = viewOf(new Uint8Array(8));
  view.setBigUint64(0, 2n ** 53n - 1n, true);
  expect(readAddress(view, 0)).toBe(2 ** 53 - 1);
  view.setBigUint64(0, 2n ** 53n, true);
  expect(() => readAddress(view, 0)).toThrow("the number 0x20000000000000 is too large");
});

test("an addend has a sign", () => {
  const view = viewOf(new Uint8Array(8));
  view.setBigInt64(0, -4n, true);
  expect(readAddend(view, 0)).toBe(-4);
  view.setBigInt64(0, -(2n ** 60n), true);
  expect(() => readAddend(view, 0)).toThrow("too large");
});

test("negative distances are written in two's complement", () => {
  const bytes = new Uint8Array(8);
  writeAddress(viewOf(bytes), 0, -2);
  expect([...bytes]).toEqual([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
});

test("a string ends at its zero byte", () => {
  const bytes = new Uint8Array(Buffer.from("ab\0cd\0ef", "latin1"));
  expect(readString(bytes, 3)).toBe("cd");
  expect(() => readString(bytes, 6)).toThrow("no string ends after offset 0x6");
  expect(() => readString(bytes, 99)).toThrow("no string ends after offset 0x63");
});

test.each([
  [0, 16, 0],
  [1, 16, 16],
  [16, 16, 16],
  [17, 0, 17],
  [17, 1, 17],
  [2 ** 40 + 1, 0x10000, 2 ** 40 + 0x10000],
])("%d aligned to %d is %d", (value, alignment, expected) => {
  expect(alignUp(value, alignment)).toBe(expected);
});

test("numbers are shown in hexadecimal with their sign", () => {
  expect([toHex(255), toHex(-16)]).toEqual(["0xff", "-0x10"]);
});
