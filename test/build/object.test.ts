import { expect, test } from "bun:test";
import { isLoaded, readObject } from "../../src/build/object.ts";
import { buildObject, words } from "./objects.ts";

const x8664 = 62;

test("sections, symbols and relocations are read", () => {
  const member = buildObject("a.o", {
    sections: [
      {
        name: ".text",
        content: new Uint8Array(8),
        alignment: 16,
        relocations: [{ offset: 2, type: 4, symbol: "f", addend: -4 }],
      },
      { name: ".bss", type: 8, flags: 3, size: 32 },
    ],
    symbols: [{ name: "f" }, { name: "g", section: ".bss", value: 8, size: 4, binding: 2 }],
  });
  const object = readObject(member, x8664);
  expect(object.sections[1]).toMatchObject({ index: 1, name: ".text", type: 1, flags: 6, size: 8, alignment: 16 });
  expect(object.sections[2]).toMatchObject({ index: 2, name: ".bss", type: 8, size: 32 });
  expect(object.symbols.slice(1)).toEqual([
    { name: "f", binding: 1, type: 0, section: 0, value: 0, size: 0 },
    { name: "g", binding: 2, type: 0, section: 2, value: 8, size: 4 },
  ]);
  expect(object.relocations).toEqual(new Map([[1, [{ offset: 2, type: 4, symbol: 1, addend: -4 }]]]));
});

test("a COMDAT group has the name of its symbol", () => {
  const member = buildObject("a.o", {
    sections: [
      { name: ".text.f", content: new Uint8Array(1) },
      { name: ".group", type: 17, flags: 0, content: words(1, 1), info: 1 },
    ],
    symbols: [{ name: "f", section: ".text.f", binding: 2 }],
  });
  expect(readObject(member, x8664).groups).toEqual([{ signature: "f", sections: [1] }]);
});

test.each([
  ["an executable", buildObject("a.o", { type: 2 }), "a.o: the ELF type is 2 where 1 is expected"],
  ["an object for another CPU", buildObject("a.o", { machine: 183 }), "a.o: it is for machine 183, not 62"],
  [
    "relocations without addends",
    buildObject("a.o", { sections: [{ name: ".rel.text", type: 9, flags: 0 }] }),
    "a.o: .rel.text: relocations without addends",
  ],
  [
    "a second table of relocations",
    buildObject("a.o", {
      sections: [
        { name: ".text", relocations: [{ type: 1, symbol: "f" }] },
        { name: ".rela.more", type: 4, flags: 0, info: 1 },
      ],
      symbols: [{ name: "f" }],
    }),
    ": a second table of relocations",
  ],
  [
    "a group that is not COMDAT",
    buildObject("a.o", { sections: [{ name: ".group", type: 17, flags: 0, content: words(0), info: 0 }] }),
    "a.o: the section group .group is not COMDAT",
  ],
])("%s is refused with the member's name", (_, member, message) => {
  expect(() => readObject(member, x8664)).toThrow(message);
});

test.each([
  [".text", 1, 6, true],
  [".bss", 8, 3, true],
  [".comment", 1, 0x30, false],
  [".note.gnu.property", 7, 2, false],
  [".eh_frame", 1, 2, false],
  [".gcc_except_table.f", 1, 2, false],
])("whether %s is loaded", (name, type, flags, expected) => {
  const object = readObject(buildObject("a.o", { sections: [{ name, type, flags }] }), x8664);
  expect(isLoaded(object.sections[1]!)).toBe(expected);
});
