import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureDirectory, ensurePrivateDirectory, ensurePrivateHome } from "../../src/files/directories.ts";
import { thrownBy } from "../thrown.ts";

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), "keyhole-directories-"));
});

afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

const refusal = (path: string) => thrownBy(() => ensurePrivateDirectory(path));

const modeOf = (path: string) => fs.statSync(path).mode & 0o777;

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
  fs.mkdirSync(join(root, "sock"), { mode: 0o755 });
  ensurePrivateDirectory(join(root, "sock"));
  expect(modeOf(join(root, "sock"))).toBe(0o755);
});

test.each([0o707, 0o777])("a directory of mode %o is refused with the command that mends it", (mode) => {
  const path = join(root, "sock");
  fs.mkdirSync(path);
  fs.chmodSync(path, mode);
  const error = refusal(path);
  expect(error.kind).toBe("unsafe-path");
  expect(error.message).toContain(path);
  expect(error.hint).toBe(`chmod go-w ${path}`);
  expect(modeOf(path)).toBe(mode);
});

test("a parent that others can write to is refused, because they could replace the directory", () => {
  const parent = join(root, "shared");
  fs.mkdirSync(parent);
  fs.chmodSync(parent, 0o777);
  expect(refusal(join(parent, "sock")).hint).toBe(`chmod go-w ${parent}`);
});

test("a sticky parent such as /tmp is fine", () => {
  const parent = join(root, "sticky");
  fs.mkdirSync(parent);
  fs.chmodSync(parent, 0o1777);
  ensurePrivateDirectory(join(parent, "sock"));
  expect(modeOf(join(parent, "sock"))).toBe(0o700);
});

test("a home may be a link of one's own, and what it leads to is looked at", () => {
  fs.mkdirSync(join(root, "other-disk", "real"), { recursive: true, mode: 0o700 });
  fs.symlinkSync(join(root, "other-disk", "real"), join(root, "link"));
  ensurePrivateHome(join(root, "link"));
  ensurePrivateDirectory(join(root, "link", "sock"));
  expect(modeOf(join(root, "other-disk", "real", "sock"))).toBe(0o700);
  const refusalOfHome = () => thrownBy(() => ensurePrivateHome(join(root, "link")));
  fs.chmodSync(join(root, "other-disk"), 0o777);
  expect(refusalOfHome().hint).toBe(`chmod go-w ${join(root, "other-disk")}`);
  fs.chmodSync(join(root, "other-disk"), 0o700);
  fs.chmodSync(join(root, "other-disk", "real"), 0o777);
  expect(refusalOfHome().hint).toBe(`chmod go-w ${join(root, "other-disk", "real")}`);
  expect(refusal(join(root, "link", "sock")).hint).toBe(`chmod go-w ${join(root, "link")}`);
});

test("a link in the place of the directory itself is refused, wherever it leads", () => {
  fs.mkdirSync(join(root, "real"), { mode: 0o700 });
  fs.symlinkSync(join(root, "real"), join(root, "link"));
  expect(refusal(join(root, "link")).message).toContain("is a link or a file");
});

test("a link that leads nowhere, or to a file, is refused, and nothing is made", () => {
  fs.symlinkSync(join(root, "missing"), join(root, "link"));
  expect(refusal(join(root, "link", "sock")).message).toBe(`${join(root, "link")} is a link that leads nowhere`);
  expect(refusal(join(root, "link")).kind).toBe("unsafe-path");
  fs.writeFileSync(join(root, "missing"), "");
  expect(refusal(join(root, "link")).message).toContain("is a link or a file, not a directory");
  expect(fs.readdirSync(root).toSorted()).toEqual(["link", "missing"]);
});

test.skipIf(process.getuid?.() !== 0)("another user's link is refused, wherever it leads", () => {
  fs.mkdirSync(join(root, "real"), { mode: 0o700 });
  fs.symlinkSync(join(root, "real"), join(root, "link"));
  fs.lchownSync(join(root, "link"), 65534, 65534);
  expect(refusal(join(root, "link")).message).toContain("another user (uid 65534)");
  expect(refusal(join(root, "link", "sock")).message).toContain("another user (uid 65534)");
});

test.skipIf(process.getuid?.() !== 0)("nothing is made in another user's directory", () => {
  fs.mkdirSync(join(root, "home"), { mode: 0o755 });
  fs.chownSync(join(root, "home"), 65534, 65534);
  for (const make of [ensurePrivateDirectory, (path: string) => ensureDirectory(path, 0)]) {
    const error = thrownBy(() => make(join(root, "home", ".keyhole", "sock")));
    expect(error.message).toBe(
      `${join(root, "home")} belongs to another user (uid 65534), and nothing is made in it as uid 0`,
    );
    expect(error.hint).toContain("sudo -H keyhole");
  }
  expect(fs.readdirSync(join(root, "home"))).toEqual([]);
});

test("a file in the way is refused", () => {
  fs.writeFileSync(join(root, "sock"), "");
  expect(refusal(join(root, "sock")).kind).toBe("unsafe-path");
});

test.skipIf(process.getuid?.() !== 0)(
  "a directory that a group may write is refused, unless that is its owner's own",
  () => {
    const path = join(root, "sock");
    fs.mkdirSync(path);
    fs.chmodSync(path, 0o770);
    // Of `users`, which has no members here or others; and one that no file knows.
    for (const gid of [100, 54_321]) {
      fs.chownSync(path, 0, gid);
      expect(refusal(path).hint).toBe(`chmod go-w ${path}`);
    }
  },
);

test.skipIf(process.getuid?.() !== 0)("another user's directory is refused", () => {
  fs.mkdirSync(join(root, "sock"), { mode: 0o700 });
  fs.chownSync(join(root, "sock"), 65534, 65534);
  expect(refusal(join(root, "sock")).message).toContain("another user (uid 65534)");
});
