import { expect, test } from "bun:test";
import { viewOf } from "../../src/build/bytes.ts";
import { readSegment, type Segment } from "../../src/build/elf.ts";
import { onceCall } from "../../src/build/substitutes.ts";
import { planSegments } from "../../src/build/write.ts";
import { buildProgram } from "./programs.ts";
import { link, plan, type World } from "./worlds.ts";

const world: World = {
  exports: ["f"],
  members: {
    "a.o": {
      sections: [
        { name: ".text", content: Buffer.from("code") },
        { name: ".data", flags: 3, content: Buffer.from("data") },
        { name: ".bss", type: 8, flags: 3, size: 64 },
      ],
      symbols: [{ name: "f", section: ".text" }],
    },
  },
};

function segmentsOf(file: Uint8Array): Segment[] {
  const view = viewOf(file);
  return Array.from({ length: view.getUint16(56, true) }, (_, index) => readSegment(view, 64 + index * 56));
}

test("interpreter and dynamic section go, code and data come", () => {
  const { executable } = link(world);
  const segments = segmentsOf(executable);
  expect(segments.map(({ type, flags }) => [type, flags])).toEqual([
    [6, 4],
    [1, 4],
    [1, 6],
    [1, 5],
    [1, 6],
    [7, 4],
  ]);
  const [headers, , , code, data] = segments;
  expect(headers).toMatchObject({ fileSize: 6 * 56, memorySize: 6 * 56 });
  const content = ({ offset }: Segment) => Buffer.from(executable.subarray(offset, offset + 4)).toString();
  expect([content(code!), content(data!)]).toEqual(["code", "data"]);
  expect(code).toMatchObject({ fileSize: 35, memorySize: 35 });
  // The kernel would have to zero the rest of a page.
  expect(data).toMatchObject({ fileSize: 4096, memorySize: 4096 });
  expect(executable.length).toBe(data!.offset + data!.fileSize);
});

test("addresses and offsets agree modulo the page", () => {
  for (const { address, offset, alignment } of segmentsOf(link(world).executable)) {
    expect((address - offset) % alignment).toBe(0);
  }
});

test("the program's own bytes stay where they are", () => {
  const before = buildProgram();
  const after = link(world).executable;
  expect(after.subarray(0x400, before.length)).toEqual(before.subarray(0x400));
});

test("there is no section table, so that strip refuses", () => {
  const view = viewOf(link(world).executable);
  expect(view.getBigUint64(40, true)).toBe(0n);
  expect(view.getUint16(58, true)).toBe(64);
  expect([view.getUint16(60, true), view.getUint16(62, true)]).toEqual([0, 0]);
});

test("the moved thread-local segment is found", () => {
  const symbols = [{ name: onceCall, type: 6 }];
  const relocations = [{ type: 18, symbol: onceCall, word: 0 }];
  const { executable } = link({ ...world, program: { symbols, relocations } });
  const found = segmentsOf(executable).find(({ type }) => type === 7)!;
  expect(found).toMatchObject({ fileSize: 0x20, memorySize: 0x30, alignment: 16 });
  expect(Buffer.from(executable.subarray(found.offset + 16, found.offset + 32)).toString()).toBe("thread-local dat");
});

test("a program without two headers to give up is refused", () => {
  expect(() => link({ ...world, program: { without: [3] } })).toThrow("6 program headers do not fit where 5 were");
});

test("a segment that would overlap another is refused", () => {
  const { program, layout, threads } = plan(world);
  const below = { ...layout, text: { ...layout.text, address: 0x410000 } };
  expect(() => planSegments(program, below, threads)).toThrow("the segment at 0x410000 overlaps the one before it");
});

test("a segment that cannot be mapped is refused", () => {
  const { program, layout, threads } = plan(world);
  const odd = { ...layout, text: { ...layout.text, address: layout.text.address + 8 } };
  expect(() => planSegments(program, odd, threads)).toThrow("is not aligned in the file");
});
