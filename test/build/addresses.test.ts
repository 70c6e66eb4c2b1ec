import { expect, test } from "bun:test";
import type { ObjectSpec, SymbolSpec } from "./objects.ts";
import { type ProgramSpec, wordAddress } from "./programs.ts";
import { link, plan } from "./worlds.ts";

const code = { name: ".text", content: new Uint8Array(16) };
const f: ObjectSpec = { sections: [code], symbols: [{ name: "f", section: ".text", value: 4 }] };

test("a symbol lies in its section", () => {
  const { addresses, layout } = plan({ exports: ["f"], members: { "a.o": f } });
  expect(addresses.ofName("f")).toBe(layout.text.address + 4);
  expect(addresses.ofName("g")).toBeUndefined();
});

test("the program's definition wins", () => {
  const symbols = [{ name: "malloc", defined: true, value: 0x400100 }];
  const { addresses } = plan({ program: { symbols }, exports: ["f"], members: { "a.o": f } });
  expect(addresses.ofName("malloc")).toBe(0x400100);
  // operator new: a substitute leads there too.
  expect(addresses.ofName("_Znwm")).toBe(0x400100);
});

test("an absolute symbol is its value", () => {
  const symbols: SymbolSpec[] = [{ name: "f", section: 0xfff1, value: 0x77 }];
  expect(plan({ exports: ["f"], members: { "a.o": { symbols } } }).addresses.ofName("f")).toBe(0x77);
});

test("musl finds the program's constructors", () => {
  const program: ProgramSpec = {
    tags: [
      [12, 0x400800],
      [25, 0x410000],
      [27, 16],
      [26, 0x410010],
      [28, 8],
    ],
  };
  const { addresses } = plan({ program, exports: ["f"], members: { "a.o": f } });
  const names = ["_init", "_fini", "__init_array_start", "__init_array_end", "__fini_array_start", "__fini_array_end"];
  expect(names.map((name) => addresses.ofName(name))).toEqual([
    0x400800,
    undefined,
    0x410000,
    0x410010,
    0x410010,
    0x410018,
  ]);
});

const copied: ProgramSpec = {
  symbols: [{ name: "environ", defined: true, value: wordAddress(4), size: 8 }],
  relocations: [{ type: 5, symbol: "environ", word: 4 }],
};

function environ(size: number, more: readonly SymbolSpec[] = []): ObjectSpec {
  return {
    sections: [{ name: ".bss", type: 8, flags: 3, size: 32 }, code],
    symbols: [{ name: "environ", section: ".bss", value: 8, size }, ...more],
  };
}

test("a copied variable, its aliases and what is inside it are in the program", () => {
  const { addresses, layout } = plan({
    program: copied,
    members: {
      "a.o": environ(8, [
        { name: "alias", section: ".bss", value: 8 },
        { name: "inside", section: ".bss", value: 12 },
        { name: "behind", section: ".bss", value: 16 },
      ]),
    },
  });
  const found = ["environ", "alias", "inside"].map((name) => addresses.ofName(name));
  expect(found).toEqual([wordAddress(4), wordAddress(4), wordAddress(4) + 4]);
  expect(addresses.ofName("behind")).toBeGreaterThanOrEqual(layout.data.address);
});

test("a copy of another size is refused", () => {
  expect(() => plan({ program: copied, members: { "a.o": environ(4) } })).toThrow(
    "the variable environ has 4 bytes, its copy in the executable 8",
  );
});

test("a local reference to a copied variable is refused, for it would miss the copy", () => {
  const object: ObjectSpec = {
    sections: [
      { name: ".bss", type: 8, flags: 3, size: 32 },
      { ...code, relocations: [{ type: 2, symbol: "here" }] },
    ],
    symbols: [
      { name: "here", section: ".bss", binding: 0 },
      { name: "environ", section: ".bss", size: 8 },
    ],
  };
  expect(() => plan({ program: copied, members: { "a.o": object } })).toThrow(
    "a.o: .text+0x0, relocation type 2 to here: a local reference into the section of a variable that is copied",
  );
});

test("a local reference to another object's section with the same index is not to the copy", () => {
  const other: ObjectSpec = {
    sections: [
      { name: ".bss", type: 8, flags: 3, size: 8 },
      { ...code, relocations: [{ type: 1, symbol: "here" }] },
    ],
    symbols: [
      { name: "here", section: ".bss", binding: 0 },
      { name: "f", section: ".text" },
      { name: "g", section: ".bss", value: 8 },
    ],
  };
  const { addresses, layout } = plan({
    program: copied,
    exports: ["f"],
    members: { "a.o": environ(8), "b.o": other },
  });
  expect(addresses.ofName("g")).toBeGreaterThanOrEqual(layout.data.address);
});

test("a copy of what the linker defines is refused", () => {
  const program: ProgramSpec = {
    symbols: [{ name: "__dso_handle", defined: true, value: wordAddress(4), size: 8 }],
    relocations: [{ type: 5, symbol: "__dso_handle", word: 4 }],
  };
  expect(() => plan({ program, members: {} })).toThrow("the variable __dso_handle at 0x410420 is not defined");
});

function wanting(symbol: SymbolSpec, more: readonly SymbolSpec[] = []): ObjectSpec {
  return {
    sections: [
      { ...code, relocations: [{ type: 1, symbol: symbol.name }] },
      { name: ".eh_frame", flags: 2, content: new Uint8Array(4) },
    ],
    symbols: [symbol, { name: "f", section: ".text" }, ...more],
  };
}

test("a known weak symbol is 0 and is reported", () => {
  const { addresses } = plan({ exports: ["f"], members: { "a.o": wanting({ name: "_DYNAMIC", binding: 2 }) } });
  expect([...addresses.absent]).toEqual(["_DYNAMIC"]);
});

test.each([
  ["an unexpected weak symbol", { name: "hook", binding: 2 }, "to hook: undefined weak symbol: hook"],
  [
    "a section that is left out",
    { name: "frame", section: ".eh_frame" },
    "to frame: frame is in .eh_frame, which is left out",
  ],
])("%s is refused", (_, symbol, message) => {
  expect(() => plan({ exports: ["f"], members: { "a.o": wanting(symbol) } })).toThrow(
    `a.o: .text+0x0, relocation type 1 ${message}`,
  );
});

test("an unexpected weak import of the program is refused", () => {
  const program: ProgramSpec = {
    symbols: [{ name: "hook", binding: 2 }],
    relocations: [{ type: 6, symbol: "hook", word: 1 }],
  };
  expect(() => link({ program, members: {} })).toThrow(
    "the executable's word at 0x410408: undefined weak symbol: hook",
  );
});
