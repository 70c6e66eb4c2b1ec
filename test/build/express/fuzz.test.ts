import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resultOf } from "../../processes.ts";

/** Seconds for each of the two. `.ci/run` says 30 for both. */
const seconds = Number(process.env["KEYHOLE_FUZZ_SECONDS"] ?? 4) / 2;
const isLinux = process.platform === "linux";
const gcc = Bun.which("gcc");
const isThere = isLinux && gcc !== null;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keyhole-fuzz-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

test.concurrent.skipIf(!isThere).each([
  ["express", []],
  ["small", ["-DSMALL"]],
] as const)(
  `for ${seconds} s nothing that comes from outside makes %s.c read where nothing is (needs gcc)`,
  async (name, defines) => {
    const program = join(folder, name);
    const sources = [join(import.meta.dir, "fuzz.c"), `-I${join(import.meta.dir, "../../../src/build/express")}`];
    const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wno-unused-function"];
    // The executable's own _start gives way to libc's.
    const words = ["-g", "-O1", ...defines, ...sanitizers, ...sources, "-Wl,-z,muldefs", "-o", program];
    const compiled = await resultOf(Bun.spawn([gcc!, ...words], { stdout: "pipe", stderr: "pipe" }));
    expect(compiled.stderr).toBe("");
    const seed = String(Math.floor(Math.random() * 2 ** 32));
    const { exitCode, stdout, stderr } = await resultOf(
      Bun.spawn([program, String(seconds), seed], { stdout: "pipe", stderr: "pipe" }),
    );
    expect({ seed, exitCode, stderr }).toEqual({ seed, exitCode: 0, stderr: "" });
    console.log(`fuzz: ${stdout.trim()} inputs in ${seconds} s, seed ${seed}`);
  },
  (seconds + 60) * 1000,
);
