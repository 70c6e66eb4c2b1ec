import { expect, test } from "bun:test";
import { writeSbom } from "../../src/build/components.ts";

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
