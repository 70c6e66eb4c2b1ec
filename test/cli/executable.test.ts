import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { absoluteExecutable, compiledExecutable } from "../../src/cli/where.ts";

test("what is absolute stays, and what is a path is taken from the working directory", () => {
  expect(absoluteExecutable("/run/keyhole/keyhole", () => "/here", "/bin")).toBe("/run/keyhole/keyhole");
  expect(absoluteExecutable("./keyhole", () => "/run/keyhole", undefined)).toBe("/run/keyhole/./keyhole");
});

test("a name is what PATH finds, and stays where it finds nothing", () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-executable-"));
  writeFileSync(join(directory, "keyhole"), "");
  chmodSync(join(directory, "keyhole"), 0o755);
  expect(absoluteExecutable("keyhole", () => "/", `/nowhere:${directory}`)).toBe(join(directory, "keyhole"));
  expect(absoluteExecutable("keyhole-none", () => "/", directory)).toBe("keyhole-none");
  expect(absoluteExecutable("keyhole-none", () => "/", undefined)).toBe("keyhole-none");
  rmSync(directory, { recursive: true });
});

test("from source the executable is Bun's, and nobody's grant lies beside it", () => {
  expect(compiledExecutable(["/opt/keyhole"])).toBe("/opt/keyhole");
  expect(compiledExecutable(["/opt/bun", "/src/main.ts"])).toBeUndefined();
});
