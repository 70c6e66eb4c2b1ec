import { expect, test } from "bun:test";
import { onceCall, onceProxy, synthetic } from "../../src/build/substitutes.ts";
import { programEnd } from "./programs.ts";
import { plan, type World } from "./worlds.ts";

const [readOnly, writable, code] = [2, 3, 6];
const page = 0x1000;

const world: World = {
  exports: ["f"],
  members: {
    "a.o": {
      sections: [
        { name: ".bss", type: 8, flags: writable, size: 8, alignment: 32 },
        { name: ".data", flags: writable, content: new Uint8Array(5) },
        { name: ".rodata", flags: readOnly, content: new Uint8Array(3), alignment: 8 },
        { name: ".text", flags: code, content: new Uint8Array(20), relocations: [{ type: 9, symbol: "g" }] },
        { name: ".comment", flags: 0, content: new Uint8Array(7) },
        { name: ".eh_frame", flags: readOnly, content: new Uint8Array(9) },
      ],
      symbols: [{ name: "f", section: ".text" }, { name: "g" }],
    },
    "b.o": {
      sections: [
        {
          name: ".text",
          flags: code,
          content: new Uint8Array(4),
          alignment: 16,
          relocations: [{ type: 42, symbol: "g" }],
        },
      ],
      symbols: [{ name: "g", section: ".text" }],
    },
  },
};

test("code, constants, addresses and made bytes; then data; then zeroes", () => {
  const { layout } = plan(world);
  const start = programEnd + page - (programEnd % page);
  const placed = [...layout.sections.values()].map(({ object, section, address }) => [
    `${object.name}${section.name}`,
    address - start,
  ]);
  expect(placed).toEqual([
    ["a.o.text", 0],
    ["b.o.text", 32],
    ["a.o.rodata", 40],
    ["a.o.data", page],
    ["a.o.bss", page + 32],
  ]);
  expect(layout.got.address).toBe(start + 48);
  expect([...layout.got.entries.keys()]).toEqual(["g"]);
  expect(layout.synthesized.map(({ name, address }) => [name, address - start])).toEqual([
    [synthetic.zeroes, 64],
    [synthetic.returnZero, 80],
  ]);
  expect(layout.text).toEqual({ address: start, end: start + 83 });
  expect(layout.data).toEqual({ address: start + page, fileEnd: start + page + 5, end: start + page + 40 });
});

test("the thread-local content moves to the new segment when it grows at its front", () => {
  const symbols = [{ name: onceCall, type: 6 }];
  const relocations = [{ type: 18, symbol: onceCall, word: 0 }];
  const { layout, threads } = plan({ ...world, program: { symbols, relocations } });
  expect(threads.shift).toBe(16);
  expect(layout.threadContent! % 64).toBe(0);
  expect(layout.threadContent).toBeGreaterThan(layout.got.address);
  const [first] = layout.synthesized;
  expect(layout.threadContent! + threads.fileSize).toBeLessThanOrEqual(first!.address);
  expect(layout.synthesized.map(({ name }) => name)).toContain(onceProxy);
});

test("a local symbol has an entry of its own", () => {
  const section = { name: ".text", content: new Uint8Array(8) };
  const local = { name: "local", section: ".text", binding: 0 };
  const member = (name: string, wanted: string) => ({
    sections: [
      {
        ...section,
        relocations: [
          { type: 9, symbol: "local" },
          { type: 9, symbol: "local", offset: 4 },
        ],
      },
    ],
    symbols: [local, { name, section: ".text" }, { name: wanted }],
  });
  const { layout } = plan({ exports: ["f"], members: { "a.o": member("f", "g"), "b.o": member("g", "f") } });
  const entries = [...layout.got.entries.values()];
  expect(entries.map(({ object, address }) => [object.name, address - layout.got.address])).toEqual([
    ["a.o", 0],
    ["b.o", 8],
  ]);
});

test("AArch64 has pages of 64 KiB", () => {
  const { layout } = plan({
    program: { machine: 183 },
    exports: ["f"],
    members: {
      "a.o": {
        machine: 183,
        sections: [{ name: ".text" }, { name: ".data", flags: writable, content: new Uint8Array(1) }],
        symbols: [{ name: "f", section: ".text" }],
      },
    },
  });
  expect(layout.text.address % 0x10000).toBe(0);
  expect(layout.data.address % 0x10000).toBe(0);
});
