import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { refuseUnlocked } from "../../src/build/runtime.ts";

let root: string;
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, content: unknown) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), JSON.stringify(content));
}

const of = (version: string, rest: object = {}) => ({ version, integrity: `sha512-${version}`, ...rest });
const locked = {
  "": { name: "product" },
  "node_modules/a": of("1.0.0"),
  "node_modules/@b/c": of("2.0.0", { dev: true }),
  "node_modules/@b/c/node_modules/a": of("3.0.0"),
  "node_modules/bun": of("1.4.5"),
  "node_modules/elsewhere": of("4.0.0", { optional: true }),
};
const installed = {
  "node_modules/a": of("1.0.0"),
  "node_modules/@b/c": of("2.0.0"),
  "node_modules/@b/c/node_modules/a": of("3.0.0"),
  "node_modules/bun": of("1.4.5"),
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "lock-"));
  write("package-lock.json", { packages: locked });
  write("node_modules/.package-lock.json", { packages: installed });
  write("node_modules/.bin/tool", "");
  write("node_modules/a/package.json", { name: "a", version: "1.0.0" });
  write("node_modules/@b/c/package.json", { name: "@b/c", version: "2.0.0" });
  write("node_modules/@b/c/node_modules/a/package.json", { name: "a", version: "3.0.0" });
  write("node_modules/bun/package.json", { name: "bun", version: "1.4.5" });
  // npm 9 and 10 leave it there, of optional packages for other platforms.
  mkdirSync(join(root, "node_modules", "@empty"));
});

test("what the lock says may be released", () => {
  expect(() => refuseUnlocked(root, "1.4.5")).not.toThrow();
});

test.each<[string, () => void, string]>([
  [
    "another version",
    () => write("node_modules/@b/c/package.json", { name: "@b/c", version: "2.0.1" }),
    "node_modules/@b/c is 2.0.1, not 2.0.0",
  ],
  [
    "another version below a package",
    () => write("node_modules/@b/c/node_modules/a/package.json", { name: "a", version: "3.0.1" }),
    "node_modules/@b/c/node_modules/a is 3.0.1, not 3.0.0",
  ],
  [
    "another package under its name",
    () => write("node_modules/a/package.json", { name: "x", version: "1.0.0" }),
    "node_modules/a is x",
  ],
  [
    "another archive",
    () =>
      write("node_modules/.package-lock.json", {
        packages: { ...installed, "node_modules/a": of("1.0.0", { integrity: "sha512-x" }) },
      }),
    "node_modules/a came from another archive",
  ],
  [
    "an archive that npm did not record",
    () => write("node_modules/.package-lock.json", { packages: { ...installed, "node_modules/a": undefined } }),
    "node_modules/a came from another archive",
  ],
  [
    "a package beside them",
    () => write("node_modules/x/package.json", { name: "x", version: "1.0.0" }),
    "node_modules/x is not in it",
  ],
  [
    "a folder without a manifest beside them",
    () => write("node_modules/x/index.js", ""),
    "node_modules/x is not in it",
  ],
  [
    "a package beside one below a package",
    () => write("node_modules/a/node_modules/@x/y/package.json", { name: "@x/y", version: "1.0.0" }),
    "node_modules/a/node_modules/@x/y is not in it",
  ],
  ["a file beside them", () => write("node_modules/x.js", ""), "node_modules/x.js is not in it"],
  [
    "a link in the place of one",
    () => {
      rmSync(join(root, "node_modules/a"), { recursive: true });
      symlinkSync("@b/c/node_modules/a", join(root, "node_modules/a"));
    },
    "node_modules/a is no folder",
  ],
  [
    "one without a manifest",
    () => rmSync(join(root, "node_modules/a/package.json")),
    "node_modules/a has no package.json",
  ],
  ["none", () => rmSync(join(root, "node_modules/a"), { recursive: true }), "node_modules/a is missing"],
  [
    "what another installer put there",
    () => rmSync(join(root, "node_modules/.package-lock.json")),
    "node_modules/.package-lock.json is missing: run npm ci",
  ],
])("%s stops a release, and is named", (_, change, reason) => {
  change();
  expect(() => refuseUnlocked(root, "1.4.5")).toThrow(reason);
});

test("another Bun than the lock's builds no release", () => {
  expect(() => refuseUnlocked(root, "1.4.6")).toThrow("the Bun that builds is 1.4.6, not 1.4.5");
});

test("all that differs is named at once", () => {
  write("node_modules/a/package.json", { name: "a", version: "1.0.1" });
  write("node_modules/x.js", "");
  expect(() => refuseUnlocked(root, "1.4.5")).toThrow(
    /: run npm ci\n.*a is 1\.0\.1, not 1\.0\.0\n.*x\.js is not in it$/s,
  );
});

test("the repository's lock has a sum for each package, and names no registry: any mirror will do", () => {
  const text = readFileSync(join(import.meta.dir, "..", "..", "package-lock.json"), "utf8");
  const { packages } = JSON.parse(text) as { packages: Record<string, Record<string, unknown>> };
  const { "": product, ...others } = packages;
  expect(product).toMatchObject({ name: "keyhole" });
  for (const [path, entry] of Object.entries(others)) {
    expect([path, entry]).toEqual([path, expect.objectContaining({ integrity: expect.stringMatching(/^sha512-/) })]);
    expect([path, Object.keys(entry)]).not.toEqual([path, expect.arrayContaining(["resolved"])]);
  }
});
