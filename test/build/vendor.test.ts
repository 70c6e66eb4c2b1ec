import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { loadArchive, openArchive, readArchive, sha256 } from "../../src/build/archive.ts";
import { offeredFunctions, packages } from "../../src/build/vendor/packages.ts";
import { readObject } from "../../src/build/object.ts";

const folder = join(import.meta.dir, "..", "..", "src", "build", "vendor");

test.each([
  ["x64", 62],
  ["arm64", 183],
] as const)("the archive for %s defines every offered function", (cpu, machine) => {
  const objects = readArchive(loadArchive(cpu)).map((member) => readObject(member, machine));
  const defined = new Set(
    objects.flatMap(({ symbols }) => symbols.filter(({ section }) => section !== 0).map(({ name }) => name)),
  );
  expect(offeredFunctions.filter((name) => !defined.has(name))).toEqual([]);
});

test("a changed archive is refused", () => {
  const archive = zstdCompressSync(Buffer.from("!<arch>\n"));
  expect(Buffer.from(openArchive(archive, sha256(archive))).toString()).toBe("!<arch>\n");
  expect(() => openArchive(archive, sha256(Buffer.from("x")))).toThrow("the archive's SHA-256 is");
  expect(() => openArchive(archive, undefined)).toThrow("not known");
});

test("a package with another sum is refused, and nothing is written", () => {
  const scratch = mkdtempSync(join(tmpdir(), "mirror-"));
  try {
    const [wanted] = packages.arm64;
    mkdirSync(dirname(join(scratch, wanted!.path)), { recursive: true });
    writeFileSync(join(scratch, wanted!.path), "another package");
    const target = join(scratch, "target");
    mkdirSync(target);
    const script = join(folder, "regenerate.ts");
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, script, `file://${scratch}`, target], { env: {} });
    expect(stderr.toString()).toContain(`${wanted!.path}: the SHA-256 is ${sha256(Buffer.from("another package"))}`);
    expect(exitCode).toBe(1);
    expect(readdirSync(target)).toEqual([]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test("the README names every package and every sum", () => {
  const text = readFileSync(join(folder, "README.md"), "utf8");
  const sums = readFileSync(join(folder, "SHA256SUMS"), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.slice(0, 64));
  const pinned = Object.values(packages).flat();
  const wanted = [
    ...sums,
    ...pinned.map(({ sha256: sum }) => sum),
    ...pinned.map(({ path }) => path.split("/").at(-1)!),
  ];
  expect(wanted.filter((part) => !text.includes(part))).toEqual([]);
});
