import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePrivateDirectory } from "../../src/files/directories.ts";
import { thrownBy } from "../thrown.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "keyhole-directories-"));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const refusal = (path: string) => thrownBy(() => ensurePrivateDirectory(path));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("what is missing is made, every level for the owner alone", () => {
  ensurePrivateDirectory(join(root, "home", "sock"));
  expect(modeOf(join(root, "home"))).toBe(0o700);
  expect(modeOf(join(root, "home", "sock"))).toBe(0o700);
});

test("a group may be let in to what is made, whatever the umask, and to nothing above it (A-008)", () => {
  const previous = process.umask(0o077);
  try {
    ensurePrivateDirectory(join(root, "home", "sock"), 0o750);
  } finally {
    process.umask(previous);
  }
  expect([modeOf(join(root, "home")), modeOf(join(root, "home", "sock"))]).toEqual([0o700, 0o750]);
  // Made by then, and never changed.
  ensurePrivateDirectory(join(root, "home", "sock"), 0o710);
  expect(modeOf(join(root, "home", "sock"))).toBe(0o750);
});

test("an existing directory keeps its mode, as long as nobody else can write to it", () => {
  mkdirSync(join(root, "sock"), { mode: 0o755 });
  ensurePrivateDirectory(join(root, "sock"));
  expect(modeOf(join(root, "sock"))).toBe(0o755);
});

test.each([0o770, 0o707, 0o777])("a directory of mode %o is refused with the command that mends it", (mode) => {
  const path = join(root, "sock");
  mkdirSync(path);
  chmodSync(path, mode);
  const error = refusal(path);
  expect(error.kind).toBe("unsafe-path");
  expect(error.message).toContain(path);
  expect(error.hint).toBe(`chmod go-w ${path}`);
  expect(modeOf(path)).toBe(mode);
});

test("a parent that others can write to is refused, because they could replace the directory", () => {
  const parent = join(root, "shared");
  mkdirSync(parent);
  chmodSync(parent, 0o777);
  expect(refusal(join(parent, "sock")).hint).toBe(`chmod go-w ${parent}`);
});

test("a sticky parent such as /tmp is fine", () => {
  const parent = join(root, "sticky");
  mkdirSync(parent);
  chmodSync(parent, 0o1777);
  ensurePrivateDirectory(join(parent, "sock"));
  expect(modeOf(join(parent, "sock"))).toBe(0o700);
});

test("a link is refused, wherever it leads", () => {
  mkdirSync(join(root, "real"), { mode: 0o700 });
  symlinkSync(join(root, "real"), join(root, "link"));
  expect(refusal(join(root, "link")).message).toContain("is a link or a file");
});

test("a file in the way is refused", () => {
  writeFileSync(join(root, "sock"), "");
  expect(refusal(join(root, "sock")).kind).toBe("unsafe-path");
});

test.skipIf(process.getuid?.() !== 0)("another user's directory is refused", async () => {
  const { chownSync } = await import("node:fs");
  mkdirSync(join(root, "sock"), { mode: 0o700 });
  chownSync(join(root, "sock"), 65534, 65534);
  expect(refusal(join(root, "sock")).message).toContain("another user (uid 65534)");
});
