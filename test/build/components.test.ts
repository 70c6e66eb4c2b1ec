import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bun, bundled, readLicense, vendored, writeSbom } from "../../src/build/components.ts";
import { packages } from "../../src/build/vendor/packages.ts";
import { writeNotices } from "../../src/build/release.ts";

const repository = join(import.meta.dir, "..", "..");
const root = mkdtempSync(join(tmpdir(), "components-"));
afterAll(() => rmSync(root, { recursive: true }));
writeFileSync(join(root, "LICENSE"), "Apache License\n\n   END\n\n   APPENDIX: How to\n   Copyright us\n");

function addPackage(folder: string, manifest: Readonly<Record<string, unknown>>, files: Record<string, string> = {}) {
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, folder, "package.json"), JSON.stringify(manifest));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, folder, name), text);
}

test("packages are found by their modules, wherever the bundler stood", () => {
  addPackage("node_modules/a", { name: "a", version: "1.0.0", license: "MIT" }, { LICENSE: "of a\n" });
  addPackage(
    "node_modules/a/node_modules/@b/c",
    { name: "@b/c", version: "2.0.0", license: "ISC" },
    { COPYING: "of c" },
  );
  const modules = [
    "src/main.ts",
    "../x/node_modules/a/i.js",
    "node_modules/a/j/k.js",
    "node_modules/a/node_modules/@b/c/d.js",
  ];
  expect(bundled(modules, root)).toEqual([
    { name: "a", version: "1.0.0", license: "MIT", purl: "pkg:npm/a@1.0.0", notice: "of a" },
    { name: "@b/c", version: "2.0.0", license: "ISC", purl: "pkg:npm/%40b/c@2.0.0", notice: "of c" },
  ]);
});

test("a NOTICE file belongs to the licence", () => {
  const files = { "LICENSE.md": "licence", NOTICE: "notice" };
  addPackage("node_modules/noticed", { name: "noticed", version: "1.0.0", license: "Apache-2.0" }, files);
  expect(bundled(["node_modules/noticed/i.js"], root)[0]!.notice).toBe("licence\n\nnotice");
});

test("a package of Apache's licence without its text gets that text, and nobody else's name", () => {
  addPackage("node_modules/bare", { name: "bare", version: "1.0.0", license: "Apache-2.0" });
  expect(bundled(["node_modules/bare/i.js"], root)[0]!.notice).toBe("Apache License\n\n   END");
});

test.each([
  ["without", undefined, "mute says nothing of its licence"],
  ["without the text of", "MIT", "mute is under MIT, and comes without its text"],
])("a package %s a licence is refused", (_, license, reason) => {
  addPackage("node_modules/mute", { name: "mute", version: "1.0.0", license });
  expect(() => bundled(["node_modules/mute/i.js"], root)).toThrow(reason);
});

test("the vendored packages have their versions and sums", () => {
  const arm64 = vendored("arm64");
  expect(arm64.map(({ name, version, purl }) => [name, version, purl])).toEqual([
    ["musl-dev", "1.2.5-3.1~deb13u1", "pkg:deb/debian/musl-dev@1.2.5-3.1~deb13u1?arch=arm64"],
    ["libgcc-14-dev", "14.2.0-19", "pkg:deb/debian/libgcc-14-dev@14.2.0-19?arch=arm64"],
    ["libstdc++-14-dev", "14.2.0-19", "pkg:deb/debian/libstdc%2B%2B-14-dev@14.2.0-19?arch=arm64"],
  ]);
  expect(arm64.map(({ sha256 }) => sha256)).toEqual(packages.arm64.map(({ sha256 }) => sha256));
  expect(vendored("x64").map(({ name }) => name)).toEqual(["musl-dev", "libstdc++-14-dev"]);
});

test("Bun's own libraries are known from its page about licences", () => {
  const { parts, notice, purl } = bun("1.4.5", repository);
  const names = parts!.map(({ name }) => name);
  expect(purl).toBe("pkg:github/oven-sh/bun@bun-v1.4.5");
  expect(names).toContain("JavaScriptCore (WebKit)");
  expect(names).toContain("boringssl");
  expect(names.filter((name) => /[[\]`]|Tigerbeetle/.test(name))).toEqual([]);
  expect(parts!.find(({ name }) => name === "zstd")!.license).toBe(
    "dual-licensed under the BSD License or GPLv2 license",
  );
  expect(notice).toStartWith("Bun itself is MIT-licensed.");
});

test.each([
  ["MIT", "Permission is hereby granted, free of charge"],
  ["musl", "Copyright © 2005-2020 Rich Felker, et al."],
  ["GCC-exception-3.1", "GCC RUNTIME LIBRARY EXCEPTION\n\nVersion 3.1, 31 March 2009"],
  ["LGPL-2.0", "GNU LIBRARY GENERAL PUBLIC LICENSE\n                       Version 2, June 1991"],
  ["LGPL-2.1", "GNU LESSER GENERAL PUBLIC LICENSE\n                       Version 2.1, February 1999"],
])("licenses/%s.txt is that licence", (name, text) => {
  expect(readLicense(name)).toContain(text);
});

const component = (name: string, notice: string) => ({
  name,
  version: "1.0.0",
  license: "MIT",
  purl: `pkg:npm/${name}`,
  notice,
});

test("a text stands once, below all that are under it, in the same order whatever was given first", () => {
  const components = [component("b", "common"), component("c", "own of c"), component("a", "common")];
  const text = writeNotices("ours\n", components);
  expect(text.match(/common/g)).toHaveLength(1);
  expect(text).toContain("\na 1.0.0 (MIT)\nb 1.0.0 (MIT)\n=");
  expect(text.indexOf("common")).toBeLessThan(text.indexOf("own of c"));
  expect(text).toEndWith("\n\nours\n");
  expect(writeNotices("ours\n", [...components.toReversed(), components[0]!])).toBe(text);
});

const product = { name: "keyhole", version: "1.2.3", commit: "0123456789ab", description: "it", license: "Apache-2.0" };
const library = { name: "b", version: "1.0.0", license: "MIT", purl: "pkg:npm/b@1.0.0", notice: "text" };
const platform = { ...library, name: "a", purl: "pkg:github/a/a@1", parts: [{ name: "part", license: "LGPL-2" }] };
const pinned = { ...library, name: "c", purl: "pkg:deb/debian/c@1", sha256: "cc" };

const executables = [
  { file: "keyhole-linux-x64", sha256: "aa", components: [library, platform, pinned] },
  { file: "keyhole-darwin-x64", sha256: "bb", components: [library, platform] },
];

test("it says what is in which file", () => {
  const sbom = JSON.parse(writeSbom(product, executables)) as Record<string, unknown>;
  expect(sbom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 });
  expect(sbom["metadata"]).toMatchObject({
    component: { name: "keyhole", version: "1.2.3", properties: [{ name: "commit", value: "0123456789ab" }] },
  });
  expect(sbom["components"]).toMatchObject([
    { type: "file", name: "keyhole-linux-x64", hashes: [{ alg: "SHA-256", content: "aa" }] },
    { type: "file", name: "keyhole-darwin-x64", hashes: [{ alg: "SHA-256", content: "bb" }] },
    { type: "library", name: "c", hashes: [{ alg: "SHA-256", content: "cc" }] },
    { type: "platform", name: "a", components: [{ name: "part", licenses: [{ license: { name: "LGPL-2" } }] }] },
    { type: "library", name: "b", version: "1.0.0", licenses: [{ expression: "MIT" }] },
  ]);
  expect(sbom["dependencies"]).toEqual([
    { ref: "pkg:generic/keyhole@1.2.3", dependsOn: ["keyhole-linux-x64", "keyhole-darwin-x64"] },
    { ref: "keyhole-linux-x64", dependsOn: [library.purl, platform.purl, pinned.purl] },
    { ref: "keyhole-darwin-x64", dependsOn: [library.purl, platform.purl] },
  ]);
});

test("every reference leads to one component, and nothing in it is of the moment", () => {
  const text = writeSbom(product, executables);
  const refs = [...text.matchAll(/"bom-ref": "(.*)"/g)].map(([, ref]) => ref);
  expect(new Set(refs).size).toBe(refs.length);
  const { dependencies } = JSON.parse(text) as { dependencies: { ref: string; dependsOn: string[] }[] };
  expect(
    dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]).filter((ref) => !refs.includes(ref)),
  ).toEqual([]);
  expect(text).not.toMatch(/timestamp|serialNumber/);
  expect(writeSbom(product, executables)).toBe(text);
});
