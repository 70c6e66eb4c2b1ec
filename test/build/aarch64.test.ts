// The instructions are those of the Arm Architecture Reference Manual, written out by hand.
import { expect, test } from "bun:test";
import { aarch64, aarch64Relocation as R } from "../../src/build/aarch64.ts";
import { type Applied, apply } from "./sites.ts";

const bl = 0x94000000n;
const adrp = 0x90000000n;
const add = 0x91000000n;
const ldr = 0xf9400000n;
const tbz = 0x36000000n;
const cbz = 0xb4000000n;

test.each<readonly [string, Applied, bigint]>([
  ["NONE changes nothing", { type: R.R_AARCH64_NONE, symbol: 1, before: bl }, bl],
  ["the old NONE too", { type: R.R_AARCH64_NONE_OLD, symbol: 1, before: bl }, bl],
  ["ABS64 is S + A", { type: R.R_AARCH64_ABS64, symbol: 0x1234567890, addend: 1, place: 4 }, 0x1234567891n],
  ["ABS32 is S + A", { type: R.R_AARCH64_ABS32, symbol: 0xf2345678, addend: 1, place: 4 }, 0xf2345679n],
  ["PREL64 is S + A − P", { type: R.R_AARCH64_PREL64, symbol: 0x10, place: 0x20 }, 0xfffffffffffffff0n],
  ["PREL32 is S + A − P", { type: R.R_AARCH64_PREL32, symbol: 0x10, place: 0x20 }, 0xfffffff0n],
  [
    "ADRP counts pages of 4 KiB: 5 of them are 1 in bits 30:29 and 1 in 23:5",
    { type: R.R_AARCH64_ADR_PREL_PG_HI21, symbol: 0x6fff, addend: 1, place: 0x2ffc, before: adrp },
    0xb0000020n,
  ],
  [
    "ADRP backwards",
    { type: R.R_AARCH64_ADR_PREL_PG_HI21_NC, symbol: 0x1000, place: 0x2000, before: adrp },
    0xf0ffffe0n,
  ],
  ["ADRP to the table", { type: R.R_AARCH64_ADR_GOT_PAGE, got: 0x1000, symbol: 0x9000, before: adrp }, 0xb0000000n],
  ["ADD", { type: R.R_AARCH64_ADD_ABS_LO12_NC, symbol: 0x1fff, before: add }, 0x913ffc00n],
  ["LDR of a byte", { type: R.R_AARCH64_LDST8_ABS_LO12_NC, symbol: 0x1fff, before: ldr }, 0xf97ffc00n],
  ["LDR of 2 bytes", { type: R.R_AARCH64_LDST16_ABS_LO12_NC, symbol: 0x1002, before: ldr }, 0xf9400400n],
  ["LDR of 4 bytes", { type: R.R_AARCH64_LDST32_ABS_LO12_NC, symbol: 0x1004, before: ldr }, 0xf9400400n],
  ["LDR of 8 bytes", { type: R.R_AARCH64_LDST64_ABS_LO12_NC, symbol: 0x1008, before: ldr }, 0xf9400400n],
  ["LDR of 16 bytes", { type: R.R_AARCH64_LDST128_ABS_LO12_NC, symbol: 0x1010, before: ldr }, 0xf9400400n],
  ["LDR from the table", { type: R.R_AARCH64_LD64_GOT_LO12_NC, got: 0x1008, symbol: 3, before: ldr }, 0xf9400400n],
  ["a field that was not zero is replaced", { type: R.R_AARCH64_ADD_ABS_LO12_NC, symbol: 0, before: 0x913ffc00n }, add],
  ["BL", { type: R.R_AARCH64_CALL26, symbol: 0x108, place: 0x100, before: bl }, 0x94000002n],
  ["B backwards", { type: R.R_AARCH64_JUMP26, symbol: 0xfc, place: 0x100, before: 0x14000000n }, 0x17ffffffn],
  ["a call of an absent function is skipped", { type: R.R_AARCH64_CALL26, place: 0x100, before: bl }, 0xd503201fn],
  ["TBZ", { type: R.R_AARCH64_TSTBR14, symbol: 0xfc, place: 0x100, before: tbz }, 0x3607ffe0n],
  ["CBZ", { type: R.R_AARCH64_CONDBR19, symbol: 0xfc, place: 0x100, before: cbz }, 0xb4ffffe0n],
])("%s", (_, applied, expected) => {
  expect(apply(aarch64, applied)).toBe(expected);
});

test.each<readonly [string, Applied]>([
  ["ABS32 above", { type: R.R_AARCH64_ABS32, symbol: 2 ** 32 }],
  ["ABS32 below", { type: R.R_AARCH64_ABS32, addend: -(2 ** 31) - 1 }],
  ["PREL32 above", { type: R.R_AARCH64_PREL32, symbol: 2 ** 31 }],
  ["PREL32 below", { type: R.R_AARCH64_PREL32, place: 2 ** 31 + 1 }],
  ["ADRP above", { type: R.R_AARCH64_ADR_PREL_PG_HI21, symbol: 2 ** 32 }],
  ["ADRP below", { type: R.R_AARCH64_ADR_PREL_PG_HI21_NC, place: 2 ** 32 + 0x1000 }],
  ["ADRP to the table above", { type: R.R_AARCH64_ADR_GOT_PAGE, got: 2 ** 32 }],
  ["BL above", { type: R.R_AARCH64_CALL26, symbol: 2 ** 27 }],
  ["B below", { type: R.R_AARCH64_JUMP26, symbol: 4, place: 2 ** 27 + 8 }],
  ["CBZ above", { type: R.R_AARCH64_CONDBR19, symbol: 2 ** 20 }],
  ["TBZ above", { type: R.R_AARCH64_TSTBR14, symbol: 2 ** 15 }],
])("%s its range overflows", (_, applied) => {
  expect(() => apply(aarch64, applied)).toThrow("overflows its field");
});

test.each<readonly [string, Applied, string]>([
  ["LDR of 8 bytes at an odd address", { type: R.R_AARCH64_LDST64_ABS_LO12_NC, symbol: 0x1004 }, "is not aligned to 8"],
  ["ADRP to the table with an addend", { type: R.R_AARCH64_ADR_GOT_PAGE, addend: 8 }, "the addend 8"],
  ["LDR from the table with an addend", { type: R.R_AARCH64_LD64_GOT_LO12_NC, addend: 8 }, "the addend 8"],
  ["BL to an odd address", { type: R.R_AARCH64_CALL26, symbol: 0x102 }, "is not aligned to 4"],
])("%s is refused", (_, applied, message) => {
  expect(() => apply(aarch64, applied)).toThrow(message);
});

test.each([1, 259, 262, 263, 273, 281, 300, 315, 560, 569, 1027])("type %d is not known", (type) => {
  expect(() => apply(aarch64, { type })).toThrow("the relocation type is not known");
});

test("the call of a thread-local function has the offset in units of 8", () => {
  expect(Buffer.from(aarch64.callThreadVariable(0x5798)).toString("hex")).toBe("40d03bd500cc6bf900001fd6");
});

test.each([
  [4, "is not aligned to 8"],
  [2 ** 15, "overflows its field"],
  [-8, "overflows its field"],
])("a thread-local function at %d is refused", (offset, message) => {
  expect(() => aarch64.callThreadVariable(offset)).toThrow(message);
});
