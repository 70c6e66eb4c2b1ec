import { expect, test } from "bun:test";
import { writeArchive } from "../../src/build/archive.ts";
import { linkStatically } from "../../src/build/link.ts";
import { buildObject, type ObjectSpec } from "./objects.ts";
import { buildProgram, wordOffset } from "./programs.ts";
import { link, type World } from "./worlds.ts";

const text = { name: ".text", content: new Uint8Array(8) };
const f: ObjectSpec = { sections: [text], symbols: [{ name: "f", section: ".text", value: 4 }] };
const unused: ObjectSpec = { sections: [text], symbols: [{ name: "unused", section: ".text" }] };
const world: World = { exports: ["f"], members: { "libc.a(f.lo)": f, "libc.a(unused.lo)": unused } };

test("every export has its address", () => {
  expect([...link(world).addresses]).toEqual([["f", 0x411004]]);
});

test("an export without an address is refused", () => {
  // The linker makes this function only for a program that uses it.
  expect(() => link({ ...world, exports: ["__once_proxy"] })).toThrow(
    "the exported function __once_proxy has no address",
  );
});

test("the report says what was done", () => {
  const { executable, report } = link(world);
  expect(report).toEqual({
    replaced: ["libc.so"],
    members: ["libc.a(f.lo)"],
    absent: [],
    textSize: 35,
    dataSize: 0,
    growth: executable.length - buildProgram().length,
  });
});

test("the same input gives the same bytes", () => {
  expect(link(world).executable).toEqual(link(world).executable);
});

test("the input is not changed", () => {
  const program = buildProgram({ symbols: [{ name: "f" }], relocations: [{ type: 7, symbol: "f", word: 0 }] });
  const before = program.slice();
  const archive = writeArchive([buildObject("libc.a(f.lo)", f)]);
  const { executable, addresses } = linkStatically(program, archive, { exports: ["f"] });
  expect(program).toEqual(before);
  expect(Number(Buffer.from(executable).readBigUInt64LE(wordOffset(0)))).toBe(addresses.get("f")!);
});
