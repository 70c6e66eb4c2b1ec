import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

test.skipIf(!isThere).each([
  ["express", []],
  ["small", ["-DSMALL"]],
] as const)(
  `for ${seconds} s nothing that comes from outside makes %s.c read where nothing is (needs gcc)`,
  (name, defines) => {
    const program = join(folder, name);
    const sources = [join(import.meta.dir, "fuzz.c"), `-I${join(import.meta.dir, "../../../src/build/express")}`];
    const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wno-unused-function"];
    // The executable's own _start gives way to libc's.
    const words = ["-g", "-O1", ...defines, ...sanitizers, ...sources, "-Wl,-z,muldefs", "-o", program];
    const compiled = spawnSync(gcc!, words, { encoding: "utf8" });
    expect(compiled.stderr).toBe("");
    const seed = String(Math.floor(Math.random() * 2 ** 32));
    const { status, stdout, stderr } = spawnSync(program, [String(seconds), seed], { encoding: "utf8" });
    expect({ seed, status, stderr }).toEqual({ seed, status: 0, stderr: "" });
    console.log(`fuzz: ${stdout.trim()} inputs in ${seconds} s, seed ${seed}`);
  },
  (seconds + 30) * 1000,
);
