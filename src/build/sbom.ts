// The bill of materials of a release: CycloneDX 1.6 (ECMA-424), JSON. What is optional there and would differ between
// two builds of one commit is left out: serial number, timestamp.
import type { Component } from "./components.ts";

/** An executable of the release. */
export interface Contents {
  readonly file: string;
  readonly sha256: string;
  readonly components: readonly Component[];
}

export interface Product {
  readonly name: string;
  readonly version: string;
  readonly commit: string;
  readonly description: string;
  /** An SPDX licence expression. */
  readonly license: string;
}

/** The text of the file. */
export function writeSbom(product: Product, executables: readonly Contents[]): string {
  const { name, version, commit, description, license } = product;
  const own = `pkg:generic/${name}@${version}`;
  const byPurl = new Map(executables.flatMap(({ components }) => components).map((part) => [part.purl, part]));
  const components = [...byPurl.values()].toSorted((a, b) => (a.purl < b.purl ? -1 : 1));
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": own,
        name,
        version,
        description,
        licenses: [{ expression: license }],
        purl: own,
        properties: [{ name: "commit", value: commit }],
      },
    },
    components: [
      ...executables.map(({ file, sha256 }) => ({
        type: "file",
        "bom-ref": file,
        name: file,
        hashes: [{ alg: "SHA-256", content: sha256 }],
      })),
      ...components.map(describe),
    ],
    dependencies: [
      { ref: own, dependsOn: executables.map(({ file }) => file) },
      ...executables.map(({ file, components: parts }) => ({ ref: file, dependsOn: parts.map(({ purl }) => purl) })),
    ],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function describe({ name, version, license, purl, sha256, parts }: Component) {
  return {
    type: parts === undefined ? "library" : "platform",
    "bom-ref": purl,
    name,
    version,
    licenses: [{ expression: license }],
    purl,
    ...(sha256 !== undefined && { hashes: [{ alg: "SHA-256", content: sha256 }] }),
    ...(parts !== undefined && {
      components: parts.map((part) => ({
        type: "library",
        name: part.name,
        licenses: [{ license: { name: part.license } }],
      })),
    }),
  };
}
