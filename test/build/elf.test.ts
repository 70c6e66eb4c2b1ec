import { expect, test } from "bun:test";
import { viewOf } from "../../src/build/bytes.ts";
import {
  checkHeader,
  readRelocations,
  readSegment,
  readSymbols,
  recordSize,
  writeSegment,
} from "../../src/build/elf.ts";
import { elfHeader, relocationRecord, strings, symbolRecord } from "./objects.ts";

test("the expected type is accepted", () => {
  expect(() => checkHeader(elfHeader(2, 62), 2)).not.toThrow();
});

test.each([
  ["too short", new Uint8Array(63), "this is no ELF file"],
  ["another magic number", new Uint8Array(64), "this is no ELF file"],
  ["a 32-bit file", changed(4, 1), "this is no 64-bit little-endian ELF file"],
  ["a big-endian file", changed(5, 2), "this is no 64-bit little-endian ELF file"],
  ["an object", elfHeader(1, 62), "the ELF type is 1 where 2 is expected"],
  ["a position-independent executable", elfHeader(3, 62), "position-independent executables have no fixed addresses"],
])("%s is refused", (_, bytes, message) => {
  expect(() => checkHeader(bytes, 2)).toThrow(message);
});

function changed(offset: number, value: number): Uint8Array {
  const bytes = elfHeader(2, 62);
  bytes[offset] = value;
  return bytes;
}

test("a segment is written as it is read", () => {
  const segment = {
    type: 1,
    flags: 5,
    offset: 0x1000,
    address: 0x401000,
    fileSize: 7,
    memorySize: 9,
    alignment: 0x1000,
  };
  const bytes = new Uint8Array(recordSize.segment);
  writeSegment(viewOf(bytes), 0, segment);
  expect(readSegment(viewOf(bytes), 0)).toEqual(segment);
  // p_vaddr and p_paddr
  expect(bytes.slice(16, 24)).toEqual(bytes.slice(24, 32));
});

test("a symbol's binding and type share a byte", () => {
  const names = strings(["environ"]);
  const record = symbolRecord(names.at("environ"), 0x21, 7, 0x1234, 8);
  const bytes = Buffer.concat([record, names.bytes]);
  expect(readSymbols(bytes, 0, 1, record.length)).toEqual([
    { name: "environ", binding: 2, type: 1, section: 7, value: 0x1234, size: 8 },
  ]);
});

test("relocations are read to the end of the table", () => {
  const bytes = Buffer.concat([relocationRecord(0x10, 4, 3, -4), relocationRecord(0x20, 1, 2, 8)]);
  expect(readRelocations(bytes, 0, bytes.length)).toEqual([
    { offset: 0x10, type: 4, symbol: 3, addend: -4 },
    { offset: 0x20, type: 1, symbol: 2, addend: 8 },
  ]);
});
