import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkSmall } from "../../../src/build/express.ts";
import { canRun } from "./alone.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keyhole-small-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

test.each(["x64", "arm64"] as const)("the small executable for %s is at most 32 KiB", (cpu) => {
  expect(linkSmall(cpu, "1.2.3").length).toBeLessThanOrEqual(32_768);
});

test.skipIf(!canRun)("it says the version that the linker put in", () => {
  const program = join(folder, "keyhole");
  writeFileSync(program, linkSmall("x64", "1.2.3-x"), { mode: 0o755 });
  const { stdout, exitCode } = Bun.spawnSync([program, "--version"], { env: {} });
  expect([stdout.toString(), exitCode]).toEqual(["keyhole 1.2.3-x\n", 0]);
});
