import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadExpress } from "../../../src/build/express.ts";
import { COMPILER, compileExpress, compilerOf, formatTable } from "../../../src/build/express/make.ts";

const folder = join(import.meta.dir, "../../../src/build/express");

test("the header is made of the table of the other lane", () => {
  expect(readFileSync(join(folder, "table.h"), "utf8")).toBe(formatTable());
});

test.each(["x64", "arm64"] as const)("the code for %s is the one that was vendored", (cpu) => {
  // At offset 8 the linker writes the address to go on at; until then there is none.
  expect([...loadExpress(cpu).subarray(8, 16)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});

for (const cpu of ["x64", "arm64"] as const) {
  const found = compilerOf(cpu);
  const isThere = found?.startsWith(COMPILER) === true;
  test.skipIf(!isThere)(`gcc ${COMPILER} for ${cpu} (found: ${found ?? "none"}) makes the same bytes again`, () => {
    expect(Buffer.from(compileExpress(cpu)).equals(loadExpress(cpu))).toBeTrue();
  });
}
