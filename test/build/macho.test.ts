import { expect, test } from "bun:test";
import { findSegment, makeRoom, readMachO } from "../../src/build/macho.ts";
import { createMachO } from "./machos.ts";

test("segments and the signature are found", () => {
  const { bytes, textSize, signatureOffset } = createMachO();
  const file = readMachO(bytes);
  expect(file.segments.map(({ name }) => name)).toEqual(["__TEXT", "__LINKEDIT"]);
  expect(file.signature).toEqual({ offset: signatureOffset, size: 64, command: 176 });
  expect(findSegment(file, "__LINKEDIT")).toMatchObject({ offset: textSize, size: 112 + 64, memorySize: 0x1000 });
  expect(() => findSegment(file, "__BUN")).toThrow("the executable has no segment __BUN");
});

test.each([
  ["grow", 200, 0x1000],
  ["shrink", 16, 0x1000],
  ["outgrow the segment's memory", 0x1000, 0x4000],
])("a signature can %s", (_, size, memorySize) => {
  const { bytes, signatureOffset } = createMachO({ signatureSize: 64 });
  const result = makeRoom(bytes, size);
  const file = readMachO(result);
  expect(result.length).toBe(signatureOffset + size);
  expect(file.signature).toEqual({ offset: signatureOffset, size, command: 176 });
  expect(findSegment(file, "__LINKEDIT")).toMatchObject({ size: 112 + size, memorySize });
  expect(result.subarray(signatureOffset).every((byte) => byte === 0)).toBeTrue();
  // What was given stays as it was, and what is neither a size nor the signature is the same.
  expect(readMachO(bytes).signature.size).toBe(64);
  expect(result.subarray(192, signatureOffset)).toEqual(bytes.subarray(192, signatureOffset));
});

test.each([
  ["bytes behind the signature", { tail: 16 }],
  ["a segment behind it in memory", { linkEditAddress: 0x1000 }],
])("%s stop it", (_, parts) => {
  expect(() => makeRoom(createMachO(parts).bytes, 64)).toThrow("the executable does not end with its signature");
});

test("other files are refused", () => {
  expect(() => readMachO(new Uint8Array(64))).toThrow("this is no Mach-O file of 64 bits");
  expect(() => readMachO(createMachO({ fileType: 6 }).bytes)).toThrow("this is no executable");
  const unsigned = createMachO().bytes;
  unsigned[176] = 0x1e;
  expect(() => readMachO(unsigned)).toThrow("the executable has not one signature");
});
