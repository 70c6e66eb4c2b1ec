import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { codeNames, loadCode } from "../../../src/build/express.ts";
import { COMPILER, compileExpress, compilerOf, formatTable } from "../../../src/build/express/make.ts";

const folder = join(import.meta.dir, "../../../src/build/express");
const cpus = ["x64", "arm64"] as const;

test("the header is made of the table of the other lane, and of what the commands say: else run make.ts", () => {
  expect(readFileSync(join(folder, "table.h"), "utf8")).toBe(formatTable());
});

test.each(codeNames)("%s.c can be read as a whole: at most 300 lines", (name) => {
  const lines = readFileSync(join(folder, `${name}.c`), "utf8")
    .trimEnd()
    .split("\n");
  expect(lines.length).toBeLessThanOrEqual(300);
});

for (const name of codeNames) {
  test.each(cpus)(`the code of ${name}.c for %s is the one that was vendored`, (cpu) => {
    // At offset 8 the linker writes the address to go on at; until then there is none.
    expect([...loadCode(name, cpu).subarray(8, 16)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  for (const cpu of cpus) {
    const found = compilerOf(cpu);
    const isThere = found?.startsWith(COMPILER) === true;
    test.skipIf(!isThere)(
      `gcc ${COMPILER} for ${cpu} (found: ${found ?? "none"}) makes the same bytes of ${name}.c`,
      () => {
        expect(Buffer.from(compileExpress(name, cpu)).equals(loadCode(name, cpu))).toBeTrue();
      },
    );
  }
}
