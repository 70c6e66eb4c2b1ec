import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseCommit, readCommit } from "../../src/build/release.ts";

test("a release names a commit that git knows, or the one it is given", () => {
  expect(chooseCommit(undefined, "0123456789ab")).toBe("0123456789ab");
  expect(chooseCommit("fedcba9876543210fedcba9876543210fedcba98", "0123456789ab-dirty")).toBe("fedcba987654");
});

test.each([
  [undefined, undefined, "git does not know the commit"],
  [undefined, "0123456789ab-dirty", "files differ from the commit"],
  ["main", "0123456789ab", "main is no id of a commit"],
  ["012345", "0123456789ab", "012345 is no id of a commit"],
])("a release of %s where git says %s is refused", (given, found, reason) => {
  expect(() => chooseCommit(given, found)).toThrow(reason);
});

test.skipIf(Bun.which("git") === null)("git's commit says whether files differ from it (needs git)", () => {
  const root = mkdtempSync(join(tmpdir(), "commit-"));
  const git = (...words: readonly string[]) => {
    const env = { HOME: root, PATH: process.env["PATH"]!, GIT_CONFIG_NOSYSTEM: "1" };
    const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    expect(Bun.spawnSync(["git", ...who, ...words], { cwd: root, env }).exitCode).toBe(0);
  };
  try {
    expect(readCommit(root)).toBeUndefined();
    git("init", "--quiet");
    expect(readCommit(root)).toBeUndefined();
    writeFileSync(join(root, "file"), "one");
    git("add", "file");
    git("commit", "--quiet", "-m", "one");
    expect(readCommit(root)).toMatch(/^[0-9a-f]{12}$/);
    // A file that git does not know is in no commit, and in no build.
    writeFileSync(join(root, "notes"), "");
    expect(readCommit(root)).toMatch(/^[0-9a-f]{12}$/);
    writeFileSync(join(root, "file"), "two");
    expect(readCommit(root)).toMatch(/^[0-9a-f]{12}-dirty$/);
  } finally {
    rmSync(root, { recursive: true });
  }
});
