// No macOS is needed: Bun's own signature for arm64 is one that macOS accepts, and ours equals it to the byte.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSignature, sign } from "../../src/build/macho.ts";
import { compileTimeout } from "./executables.ts";
import { createMachO } from "./machos.ts";

test("every page is signed, the last and shorter one too", () => {
  const { bytes, signatureOffset } = createMachO({ code: new Uint8Array(0x2345).fill(7) });
  const signed = sign(bytes, "probe");
  expect(readSignature(signed)).toEqual({
    identifier: "probe",
    version: 0x20400,
    flags: 0x20002,
    codeLimit: signatureOffset,
    isComplete: true,
    pages: 4,
    mismatches: [],
  });
});

test.each([
  [0, 0],
  [0xfff, 0],
  [0x1000, 1],
  // The last byte before the signature.
  [0x3000 + 111, 3],
])("a changed byte at %d is found in page %d", (at, page) => {
  const signed = sign(createMachO({ code: new Uint8Array(0x2345) }).bytes, "probe");
  // The file's magic stays, so that it can be read.
  const changed = at === 0 ? 511 : at;
  signed[changed] = signed[changed]! ^ 1;
  expect(readSignature(signed).mismatches).toEqual([page]);
});

test("signing twice gives the same bytes", () => {
  const once = sign(createMachO().bytes, "probe");
  expect(Buffer.compare(sign(once, "probe"), once)).toBe(0);
});

test("a signature without a code directory is refused", () => {
  expect(() => readSignature(createMachO().bytes)).toThrow("the signature has no code directory");
});

describe("executables of Bun", () => {
  const scratch = mkdtempSync(join(tmpdir(), "signature-"));
  afterAll(() => rmSync(scratch, { recursive: true }));

  async function compile(cpu: "x64" | "arm64"): Promise<Uint8Array> {
    const entrypoint = join(scratch, "hello.ts");
    writeFileSync(entrypoint, "console.log(1)");
    const outfile = join(scratch, cpu);
    await Bun.build({ entrypoints: [entrypoint], compile: { outfile, target: `bun-darwin-${cpu}` } });
    return readFileSync(outfile);
  }

  test(
    "arm64: ours equals Bun's to the byte",
    async () => {
      const executable = await compile("arm64");
      const { identifier, mismatches } = readSignature(executable);
      expect(mismatches).toEqual([]);
      expect(Buffer.compare(sign(executable, identifier), executable)).toBe(0);
    },
    compileTimeout,
  );

  test(
    "x64: what Bun leaves does not fit, ours does",
    async () => {
      const executable = await compile("x64");
      // Where this fails, Bun has mended it, and build.ts signs only because it changes bytes.
      expect(readSignature(executable).mismatches).not.toBeEmpty();
      expect(readSignature(sign(executable, "keyhole"))).toMatchObject({
        identifier: "keyhole",
        flags: 0x20002,
        isComplete: true,
        mismatches: [],
      });
    },
    compileTimeout,
  );
});
