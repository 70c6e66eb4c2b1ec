import { expect, test } from "bun:test";
import { bytesAt } from "../../src/build/write.ts";
import { onceCall } from "../../src/build/substitutes.ts";
import type { ObjectSpec } from "./objects.ts";
import { type ProgramSpec, threadContent, wordAddress, wordOffset } from "./programs.ts";
import { link, plan } from "./worlds.ts";

const nops = new Uint8Array(16).fill(0x90);
const f: ObjectSpec = { sections: [{ name: ".text", content: nops }], symbols: [{ name: "f", section: ".text" }] };

function word(bytes: Uint8Array, offset: number): number {
  return Number(Buffer.from(bytes).readBigInt64LE(offset));
}

test("sections are copied and relocated where they lie", () => {
  const { images, layout } = plan({
    exports: ["f"],
    members: {
      "a.o": {
        sections: [
          { name: ".text", content: nops, relocations: [{ type: 2, symbol: "v", offset: 2, addend: -4 }] },
          { name: ".data", flags: 3, content: nops, relocations: [{ type: 1, symbol: "f", offset: 8 }] },
        ],
        symbols: [
          { name: "f", section: ".text" },
          { name: "v", section: ".data", value: 4 },
        ],
      },
    },
  });
  const distance = layout.data.address + 4 - 4 - (layout.text.address + 2);
  expect(Buffer.from(images.text.bytes).readInt32LE(2)).toBe(distance);
  expect(images.text.bytes[1]).toBe(0x90);
  expect(word(images.data.bytes, 8)).toBe(layout.text.address);
});

test("a reference through the table finds the address there", () => {
  const { images, layout } = plan({
    exports: ["f"],
    members: { "a.o": { ...f, sections: [{ name: ".text", content: nops, relocations: [{ type: 9, symbol: "f" }] }] } },
  });
  const { text, got } = layout;
  expect(Buffer.from(images.text.bytes).readInt32LE(0)).toBe(got.address - text.address);
  expect(word(images.text.bytes, got.address - text.address)).toBe(text.address);
});

test("bytes outside the new segments are refused", () => {
  const { images, layout } = plan({ exports: ["f"], members: { "a.o": f } });
  expect(bytesAt(images, layout.text.address, 16)).toEqual(nops);
  expect(() => bytesAt(images, layout.text.address - 1, 1)).toThrow("no new segment has 1 bytes at");
  expect(() => bytesAt(images, layout.text.end - 1, 2)).toThrow("no new segment has 2 bytes at");
});

test("an error names the member, the place and the symbol", () => {
  const unknown = { name: ".text", content: nops, relocations: [{ type: 99, symbol: "f", offset: 3 }] };
  expect(() => plan({ exports: ["f"], members: { "libc.a(f.lo)": { ...f, sections: [unknown] } } })).toThrow(
    "libc.a(f.lo): .text+0x3, relocation type 99 to f: the relocation type is not known",
  );
});

test("a value that does not fit stops the link", () => {
  const far = { name: ".text", content: nops, relocations: [{ type: 2, symbol: "f", addend: 2 ** 31 }] };
  expect(() => plan({ exports: ["f"], members: { "a.o": { ...f, sections: [far] } } })).toThrow("overflows its field");
});

test("a relocation of zero bytes is refused", () => {
  const bss = { name: ".bss", type: 8, flags: 3, size: 8, relocations: [{ type: 1, symbol: "f" }] };
  const sections = [{ name: ".text", content: nops }, bss];
  expect(() => plan({ exports: ["f"], members: { "a.o": { ...f, sections } } })).toThrow("a.o: relocations of .bss");
});

test("the loader's words are filled in", () => {
  const program: ProgramSpec = {
    symbols: [
      { name: "f" },
      { name: "own", defined: true, value: 0x400100 },
      { name: "g", value: 0x400200 },
      { name: "_ITM_registerTMCloneTable", binding: 2 },
    ],
    relocations: [
      { type: 7, symbol: "f", word: 0 },
      { type: 1, symbol: "own", addend: 8, word: 1 },
      { type: 6, symbol: "g", word: 2 },
      { type: 7, symbol: "g", word: 3 },
      { type: 6, symbol: "_ITM_registerTMCloneTable", word: 4 },
      { type: 18, symbol: "", addend: 8, word: 5 },
    ],
  };
  const g: ObjectSpec = { ...f, symbols: [{ name: "g", section: ".text" }] };
  const { executable, addresses } = link({ program, exports: ["f", "g"], members: { "a.o": f, "b.o": g } });
  const words = [0, 1, 2, 3, 4, 5].map((index) => word(executable, wordOffset(index)));
  // A pointer to g is the program's own entry for it; its slot is g itself. The thread-local one is 0x20 − 8 below.
  expect(words).toEqual([addresses.get("f")!, 0x400108, 0x400200, addresses.get("g")!, 0, -0x18]);
});

const copied: ProgramSpec = {
  symbols: [{ name: "v", defined: true, value: wordAddress(4), size: 8 }],
  relocations: [{ type: 5, symbol: "v", word: 4 }],
};

test.each([
  ["data", { name: ".data", flags: 3, content: Buffer.from("0123456789abcdef") }, "456789ab"],
  ["zeroes", { name: ".bss", type: 8, flags: 3, size: 16 }, "\0".repeat(8)],
])("a copied variable begins with the library's %s", (_, section, expected) => {
  const symbols = [{ name: "v", section: section.name, value: 4, size: 8 }];
  const { executable } = link({ program: copied, members: { "a.o": { sections: [section], symbols } } });
  const found = Buffer.from(executable.subarray(wordOffset(4), wordOffset(5))).toString("latin1");
  expect(found).toBe(expected);
});

/** A variable of eight bytes, four into its section, and one relocation. */
function table(type: number, offset: number): ObjectSpec {
  return {
    sections: [{ name: ".data", flags: 3, content: nops, relocations: [{ type, symbol: "v", offset }] }],
    symbols: [{ name: "v", section: ".data", value: 4, size: 8 }],
  };
}

test("an address in a copied variable is copied relocated", () => {
  const { executable } = link({ program: copied, members: { "a.o": table(1, 4) } });
  expect(word(executable, wordOffset(4))).toBe(wordAddress(4));
});

test.each([4, 8, 11])("a distance in a copied variable, at offset %d of its section, is refused", (offset) => {
  expect(() => link({ program: copied, members: { "a.o": table(2, offset) } })).toThrow(
    "the variable v is copied, but depends on its place",
  );
});

test.each([0, 12])("a distance beside a copied variable, at offset %d of its section, is not", (offset) => {
  expect(() => link({ program: copied, members: { "a.o": table(2, offset) } })).not.toThrow();
});

test("moved thread-local content has room in front", () => {
  const symbols = [{ name: onceCall, type: 6 }];
  const relocations = [{ type: 18, symbol: onceCall, word: 0 }];
  const { images, layout, threads } = plan({
    program: { symbols, relocations },
    exports: ["f"],
    members: { "a.o": f },
  });
  const bytes = bytesAt(images, layout.threadContent!, threads.fileSize);
  expect(Buffer.from(bytes).toString("latin1")).toBe(
    `${"\0".repeat(16)}${threadContent.subarray(0, 16).toString("latin1")}`,
  );
});
