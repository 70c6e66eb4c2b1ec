import { expect, test } from "bun:test";
import { endOfProgram, fileOffset, isDefinedByProgram, readProgram } from "../../src/build/program.ts";
import {
  buildProgram,
  dataSize,
  type ProgramSpec,
  programBase,
  programEnd,
  wordAddress,
  wordOffset,
} from "./programs.ts";

test("imports, relocations and libraries are read", () => {
  const program = readProgram(
    buildProgram({
      symbols: [{ name: "read" }, { name: "own", defined: true, value: 0x400123 }],
      relocations: [
        { type: 7, symbol: "read", word: 2 },
        { type: 18, symbol: "", addend: 8, word: 3 },
      ],
      tags: [
        [12, 0x400200],
        [25, 0x410000],
        [27, 16],
      ],
    }),
  );
  expect(program.machine.name).toBe("x86-64");
  expect(program.needed).toEqual(["libc.so"]);
  expect(program.relocations).toMatchObject([
    { kind: "slot", address: wordAddress(2), symbol: { name: "read" }, addend: 0 },
    { kind: "thread", address: wordAddress(3), symbol: { name: "" }, addend: 8 },
  ]);
  expect(program.symbols.filter(isDefinedByProgram).map(({ name }) => name)).toEqual(["own"]);
  expect({ init: program.init, fini: program.fini }).toEqual({ init: 0x400200, fini: undefined });
  expect([program.initArray, program.finiArray]).toEqual([
    { start: 0x410000, end: 0x410010 },
    { start: 0, end: 0 },
  ]);
});

test("AArch64 has its own numbers of relocations", () => {
  const program = readProgram(
    buildProgram({ machine: 183, symbols: [{ name: "read" }], relocations: [{ type: 1026, symbol: "read", word: 0 }] }),
  );
  expect(program.machine.name).toBe("AArch64");
  expect(program.relocations).toMatchObject([{ kind: "slot" }]);
});

test("an address is found in the file if a segment has it there", () => {
  const program = readProgram(buildProgram());
  expect(fileOffset(program, 0x410000, 8)).toBe(0x10000);
  const lastWord = 0x410000 + dataSize - 8;
  expect(fileOffset(program, wordAddress(1), 8)).toBe(wordOffset(1));
  expect(fileOffset(program, lastWord, 8)).toBe(0x10800 - 8);
  expect(() => fileOffset(program, lastWord + 1, 8)).toThrow("is not in the executable's file");
  expect(() => fileOffset(program, programEnd - 8, 8)).toThrow("is not in the executable's file");
  expect(() => fileOffset(program, programBase - 1, 1)).toThrow("the address 0x3fffff is not in the executable's file");
});

test("the end in memory counts zero bytes, the end in the file does not", () => {
  expect(endOfProgram(readProgram(buildProgram()))).toEqual({ memory: programEnd, file: 0x10800 });
});

test.each<readonly [string, ProgramSpec, string]>([
  ["a position-independent executable", { type: 3 }, "position-independent executables have no fixed addresses"],
  ["another CPU", { machine: 243 }, "the executable is for machine 243"],
  ["a segment of unknown type", { added: [0x6474e552] }, "the executable has a segment of type 0x6474e552"],
  ["no dynamic section", { without: [2] }, "the executable has no dynamic segment"],
  ["two dynamic sections", { added: [2] }, "the executable has more than one dynamic segment"],
  ["no symbols", { withoutTags: [6] }, "the executable's dynamic section has no symbols"],
  ["no thread-local segment", { without: [7] }, "the executable has no thread-local segment"],
  ["packed relative relocations", { tags: [[36, programBase]] }, "the executable has the dynamic tag 0x24"],
  ["constructors before constructors", { tags: [[32, programBase]] }, "the executable has the dynamic tag 0x20"],
  [
    "an indirect function",
    { symbols: [{ name: "memcpy", defined: true, type: 10 }] },
    "the executable has an indirect function, memcpy",
  ],
  [
    "a relative relocation",
    { relocations: [{ type: 8, symbol: "", word: 0 }] },
    "the executable has a dynamic relocation of type 8",
  ],
])("%s is refused", (_, spec, message) => {
  expect(() => readProgram(buildProgram(spec))).toThrow(message);
});
