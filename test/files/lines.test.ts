import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openIfFile, readLines, rotatedPath } from "../../src/files/reading.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-lines-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("a file that was rotated meanwhile is known by its inode", () => {
  const path = join(directory, "log");
  writeFileSync(path, "1\n\n2\n");
  const before = openIfFile(path)!;
  renameSync(path, rotatedPath(path, 1));
  const after = openIfFile(rotatedPath(path, 1))!;
  expect(after.inode).toBe(before.inode);
  expect(readLines(before)).toEqual(["1", "2"]);
  expect(readLines(after)).toEqual(["1", "2"]);
});

test("what is no regular file has no lines, and nobody is waited for", () => {
  mkdirSync(join(directory, "directory"));
  writeFileSync(join(directory, "file"), "1\n");
  symlinkSync("file", join(directory, "link"));
  expect(Bun.spawnSync(["mkfifo", join(directory, "fifo")]).exitCode).toBe(0);
  for (const name of ["directory", "link", "fifo", "nothing"])
    expect(openIfFile(join(directory, name))).toBeUndefined();
});
