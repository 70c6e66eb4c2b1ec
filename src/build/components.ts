// What is in a release besides keyhole's own code: Bun, the npm packages whose modules are in the bundle, and on Linux
// the objects of vendor/.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Cpu, packages } from "./vendor/packages.ts";

export interface Component {
  readonly name: string;
  readonly version: string;
  /** An SPDX licence expression. */
  readonly license: string;
  /** Package URL. */
  readonly purl: string;
  /** The notice that must go with it, as its authors wrote it. */
  readonly notice: string;
  /** SHA-256 of the package it was taken from, where that is pinned by it. */
  readonly sha256?: string;
  /** What it has inside in its turn. */
  readonly parts?: readonly Part[];
}

/** A library that Bun links. Bun says neither its version nor its licence in SPDX's terms. */
export interface Part {
  readonly name: string;
  readonly license: string;
}

/** Of the vendored libraries; each is a file in licenses/, too. */
const vendorLicenses: Readonly<Record<string, { readonly license: string; readonly notice: string }>> = {
  "musl-dev": { license: "MIT", notice: "musl" },
  "libstdc++-14-dev": { license: "GPL-3.0-or-later WITH GCC-exception-3.1", notice: "GCC-exception-3.1" },
  "libgcc-14-dev": { license: "GPL-3.0-or-later WITH GCC-exception-3.1", notice: "GCC-exception-3.1" },
};

/** The text of a licence in licenses/. */
export function readLicense(name: string): string {
  return readFileSync(join(import.meta.dir, "licenses", `${name}.txt`), "utf8").trimEnd();
}

/** The Debian packages from which the static executable for one CPU has objects. */
export function vendored(cpu: Cpu): Component[] {
  return packages[cpu].map(({ path, sha256 }) => {
    const [name, version, arch] = path.slice(path.lastIndexOf("/") + 1, -".deb".length).split("_");
    const known = vendorLicenses[name!];
    if (known === undefined) throw new Error(`the licence of ${name} is not known to components.ts`);
    const purl = `pkg:deb/debian/${encodeURIComponent(name!)}@${encodeURIComponent(version!)}?arch=${arch}`;
    return { name: name!, version: version!, license: known.license, purl, notice: readLicense(known.notice), sha256 };
  });
}

/**
 * The npm packages that the modules come from, by name.
 * @param modules paths of a bundle's metafile
 * @param root the folder with node_modules
 * @throws Error for a package without a licence
 */
export function bundled(modules: readonly string[], root: string): Component[] {
  const folders = new Set(modules.flatMap((module) => packageFolder(module) ?? []));
  return [...folders].toSorted().map((folder) => readPackage(join(root, folder), root));
}

/** `../node_modules/a/node_modules/@b/c/d.js` → `node_modules/a/node_modules/@b/c`; undefined for our own modules. */
function packageFolder(module: string): string | undefined {
  const folder = "node_modules/";
  const last = module.lastIndexOf(folder);
  if (last === -1) return undefined;
  const [first, second] = module.slice(last + folder.length).split("/");
  const name = first!.startsWith("@") ? `${first}/${second}` : first!;
  return module.slice(module.indexOf(folder), last + folder.length) + name;
}

function readPackage(folder: string, root: string): Component {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    readonly name: string;
    readonly version: string;
    readonly license?: string;
  };
  if (license === undefined) throw new Error(`${name} says nothing of its licence`);
  const texts = readdirSync(folder)
    .filter((file) => /^(?:licen[cs]e|notice|copying|copyright)(?:[.-]|$)/i.test(file))
    .toSorted()
    .map((file) => readFileSync(join(folder, file), "utf8").trim());
  // Some of AWS's packages leave the file out. keyhole's has the same terms, and an appendix of its own.
  if (texts.length === 0 && license === "Apache-2.0") {
    texts.push(
      readFileSync(join(root, "LICENSE"), "utf8")
        .replace(/\n *APPENDIX: [\s\S]*$/, "")
        .trim(),
    );
  }
  if (texts.length === 0) throw new Error(`${name} is under ${license}, and comes without its text`);
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return { name, version, license, purl, notice: texts.join("\n\n") };
}

/**
 * Bun itself, of the version that builds.
 * @param root the folder with node_modules, in which Bun's own page about licences is
 */
export function bun(version: string, root: string): Component {
  const page = join(root, "node_modules", "bun-types", "docs", "project", "license.mdx");
  if (!existsSync(page)) throw new Error(`${page} is missing: run npm ci`);
  const text = readFileSync(page, "utf8")
    .replace(/^---\n[\s\S]*?\n---\n/, "")
    .trim();
  const notice = [
    text,
    "The MIT licence, under which Bun itself is, reads:",
    readLicense("MIT"),
    `The source of Bun ${version} is https://github.com/oven-sh/bun/tree/bun-v${version}. keyhole's own source and build.ts ` +
      "link the same program with another Bun: compile.executablePath of Bun.build names it.",
    "The LGPL 2, of JavaScriptCore and WebCore, reads:",
    readLicense("LGPL-2.0"),
    "The LGPL 2.1, of tinycc, reads:",
    readLicense("LGPL-2.1"),
  ].join("\n\n");
  return {
    name: "bun",
    version,
    license: "MIT",
    purl: `pkg:github/oven-sh/bun@bun-v${version}`,
    notice,
    parts: partsOf(text),
  };
}

/** The rows of the page's table of linked libraries, without those for Windows. */
function partsOf(page: string): Part[] {
  const table = /^## Linked libraries$([\s\S]*?)^## /m.exec(page)?.[1] ?? "";
  const rows = [...table.matchAll(/^\| (?!-|Library )(.*?) +\| (.*?) +\|$/gm)].map(([, name, license]) => ({
    name: toPlain(name!),
    license: toPlain(license!),
  }));
  if (rows.length === 0) throw new Error("Bun's page about licences has no table of linked libraries any more");
  const webKit = { name: "JavaScriptCore (WebKit)", license: "LGPL-2" };
  return [webKit, ...rows.filter(({ name }) => !name.endsWith("(on Windows)") && !name.includes("Tigerbeetle"))];
}

/** Markdown's links and code marks taken out. */
function toPlain(markdown: string): string {
  return markdown.replaceAll(/\[(.*?)\]\(.*?\)/g, "$1").replaceAll("`", "");
}

// The bill of materials of a release: CycloneDX 1.6 (ECMA-424), JSON. What is optional there and would differ between
// two builds of one commit is left out: serial number, timestamp.

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
