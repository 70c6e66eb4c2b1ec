import { expect, test } from "bun:test";
import { readProgram } from "../../src/build/program.ts";
import { planThreads } from "../../src/build/layout.ts";
import { buildProgram, type ProgramSpec } from "./programs.ts";

const callable = "_ZSt15__once_callable";
const call = "_ZSt11__once_call";

function plan(spec: ProgramSpec, type: number) {
  const symbols = [callable, call].map((name) => ({ name, type: 6 }));
  const relocations = symbols.map(({ name }, word) => ({ type, symbol: name, word }));
  return planThreads(readProgram(buildProgram({ ...spec, symbols, relocations })));
}

test("x86-64: the libraries' variables come first, and the program's keep their distances", () => {
  const threads = plan({ threadMemory: 0x28 }, 18);
  // The program's 0x28 bytes are rounded to 0x30 below the pointer; two words are in front of them.
  expect([...threads.variables]).toEqual([
    [callable, -0x40],
    [call, -0x38],
  ]);
  expect(threads).toMatchObject({ shift: 0x10, fileSize: 0x20, memorySize: 0x38, alignment: 16 });
  expect(threads.ownOffset(8)).toBe(-0x28);
});

test("AArch64: the libraries' variables come last, behind the control block and the program's", () => {
  const threads = plan({ machine: 183, threadMemory: 0x24, threadAlignment: 8 }, 1030);
  expect([...threads.variables]).toEqual([
    [callable, 16 + 0x28],
    [call, 16 + 0x30],
  ]);
  expect(threads).toMatchObject({ shift: 0, fileSize: 0x10, memorySize: 0x38, alignment: 8 });
  expect(threads.ownOffset(8)).toBe(24);
});

test("AArch64: the control block is rounded to the segment's alignment", () => {
  expect(plan({ machine: 183, threadAlignment: 64 }, 1030).ownOffset(0)).toBe(64);
});

test.each([
  [62, -0x20],
  [183, 16],
])("machine %d: without libraries' variables nothing moves", (machine, start) => {
  const threads = planThreads(readProgram(buildProgram({ machine })));
  expect(threads).toMatchObject({ shift: 0, fileSize: 0x10, memorySize: 0x20 });
  expect(threads.variables.size).toBe(0);
  expect(threads.ownOffset(0)).toBe(start);
});

test("an unknown thread-local variable is refused", () => {
  const bytes = buildProgram({ symbols: [{ name: "t", type: 6 }], relocations: [{ type: 18, symbol: "t", word: 0 }] });
  expect(() => planThreads(readProgram(bytes))).toThrow("the executable imports the thread-local variable t");
});

test("a segment that is not aligned to itself is refused", () => {
  const bytes = buildProgram({ threadAlignment: 0x20000 });
  expect(() => planThreads(readProgram(bytes))).toThrow(
    "the thread-local segment at 0x410000 is not aligned to 131072",
  );
});
