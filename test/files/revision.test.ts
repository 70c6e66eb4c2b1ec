import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileRevision, revisionOf } from "../../src/files/identity.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-revision-"));
  path = join(directory, "file");
  writeFileSync(path, "one");
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each([
  ["another content", () => writeFileSync(path, "other")],
  ["other permissions", () => chmodSync(path, 0o640)],
  [
    "another content with the time of the first",
    () => {
      const { atime, mtime } = statSync(path);
      writeFileSync(path, "two");
      utimesSync(path, atime, mtime);
    },
  ],
  [
    "another file of that name",
    () => {
      writeFileSync(join(directory, "next"), "one");
      renameSync(join(directory, "next"), path);
    },
  ],
])("%s is another revision", (_, change) => {
  const before = fileRevision(path);
  expect(fileRevision(path)).toBe(before);
  change();
  expect(fileRevision(path)).not.toBe(before);
});

test("a link has the revision of what it leads to, and nothing has none", () => {
  symlinkSync("file", join(directory, "link"));
  expect(fileRevision(join(directory, "link"))).toBe(revisionOf(statSync(path, { bigint: true })));
  expect(fileRevision(join(directory, "nothing"))).toBeUndefined();
  expect(fileRevision(join(path, "below"))).toBeUndefined();
});
