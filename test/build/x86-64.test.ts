import { expect, test } from "bun:test";
import { x8664, x8664Relocation as R } from "../../src/build/x86-64.ts";
import { type Applied, apply } from "./sites.ts";

const all = 0xffffffffffffffffn;

test.each<readonly [string, Applied, bigint]>([
  ["NONE changes nothing", { type: R.R_X86_64_NONE, symbol: 1, before: all }, all],
  ["64 is S + A", { type: R.R_X86_64_64, symbol: 0x1234567890, addend: 1, place: 4 }, 0x1234567891n],
  ["PC64 is S + A − P", { type: R.R_X86_64_PC64, symbol: 0x8, addend: 8, place: 0x20 }, 0xfffffffffffffff0n],
  ["32 is S + A, unsigned", { type: R.R_X86_64_32, symbol: 0xfedcba97, addend: 1 }, 0xfedcba98n],
  ["32S is S + A, signed", { type: R.R_X86_64_32S, symbol: 0, addend: -1, place: 4 }, 0xffffffffn],
  ["PC32 is S + A − P", { type: R.R_X86_64_PC32, symbol: 0x500, addend: -4, place: 0x400 }, 0xfcn],
  ["PLT32 is the same", { type: R.R_X86_64_PLT32, symbol: 0x400, addend: -4, place: 0x500 }, 0xfffffefcn],
  ["GOTPCREL is G + A − P", { type: R.R_X86_64_GOTPCREL, got: 0x600, addend: -4, place: 0x500 }, 0xfcn],
  ["GOTPCRELX is the same", { type: R.R_X86_64_GOTPCRELX, got: 0x600, addend: -4, place: 0x500 }, 0xfcn],
  ["REX_GOTPCRELX is the same", { type: R.R_X86_64_REX_GOTPCRELX, got: 0x600, addend: -4, place: 0x500 }, 0xfcn],
])("%s", (_, applied, expected) => {
  expect(apply(x8664, applied)).toBe(expected);
});

test("a word of 32 bits leaves the bytes behind it alone", () => {
  expect(apply(x8664, { type: R.R_X86_64_PC32, symbol: 1, before: all })).toBe(0xffffffff00000001n);
});

test.each<readonly [string, Applied]>([
  ["32 above", { type: R.R_X86_64_32, symbol: 2 ** 32 }],
  ["32 below", { type: R.R_X86_64_32, addend: -1 }],
  ["32S above", { type: R.R_X86_64_32S, symbol: 2 ** 31 }],
  ["32S below", { type: R.R_X86_64_32S, addend: -(2 ** 31) - 1 }],
  ["PC32 above", { type: R.R_X86_64_PC32, symbol: 2 ** 31 }],
  ["PC32 below", { type: R.R_X86_64_PC32, place: 2 ** 31 + 1 }],
  ["PLT32 above", { type: R.R_X86_64_PLT32, symbol: 2 ** 31 }],
  ["GOTPCREL above", { type: R.R_X86_64_GOTPCREL, got: 2 ** 31 }],
])("%s its range overflows", (_, applied) => {
  expect(() => apply(x8664, applied)).toThrow("overflows its field");
});

test.each([3, 8, 12, 19, 22, 23, 37, 43, 1026])("type %d is not known", (type) => {
  expect(() => apply(x8664, { type })).toThrow("the relocation type is not known");
});

test("the call of a thread-local function has the offset in its fifth byte", () => {
  expect(Buffer.from(x8664.callThreadVariable(-0x57a0)).toString("hex")).toBe("64488b042560a8ffffffe0");
});
