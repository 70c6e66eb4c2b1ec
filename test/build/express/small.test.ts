import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkSmall } from "../../../src/build/express.ts";
import { runnerOf } from "./alone.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keyhole-small-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

test.each(["x64", "arm64"] as const)("the small executable for %s is at most 32 KiB", (cpu) => {
  expect(linkSmall(cpu, "1.2.3").length).toBeLessThanOrEqual(32_768);
});

for (const cpu of ["x64", "arm64"] as const) {
  const runner = runnerOf(cpu);
  test.skipIf(runner === undefined)(`on ${cpu} it says the version that the linker put in (needs qemu-user)`, () => {
    const program = join(folder, cpu);
    writeFileSync(program, linkSmall(cpu, "1.2.3-x"), { mode: 0o755 });
    const { stdout, exitCode } = Bun.spawnSync([...runner!, program, "--version"], { env: {} });
    expect([stdout.toString(), exitCode]).toEqual(["keyhole 1.2.3-x\n", 0]);
  });
}

test.skipIf(runnerOf("x64") === undefined)("a socket without a name is none, and no abstract one (unix(7))", () => {
  const program = join(folder, "nameless");
  writeFileSync(program, linkSmall("x64", "1.2.3"), { mode: 0o755 });
  for (const words of [["--socket-path", ""], ["--socket-path="]]) {
    const command = [...runnerOf("x64")!, program, ...words, "export", "--format", "credential-process"];
    const { stderr, exitCode } = Bun.spawnSync(command, { env: {} });
    expect([stderr.toString().split("\n")[0], exitCode]).toEqual([
      "keyhole: error: no grant's socket lies beside this executable",
      2,
    ]);
  }
});
