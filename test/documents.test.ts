// Every reference to a document, in a comment, a test or another document, leads to a file and a section that exist.
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { type Measured, renderComparison } from "./compare/table.ts";

const root = join(import.meta.dir, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

const code = ["build.ts", "install.sh", ".ci/run", ...scan("{src,test}/**/*.{ts,c,py,sh,go,rb,mjs,ld}")];
const documents = [...scan("*.md"), ...scan("{src,test,.github}/**/*.md")];

function scan(pattern: string): string[] {
  const found = new Glob(pattern).scanSync({ cwd: root, dot: true });
  return [...found].filter((path) => !path.includes("node_modules/")).toSorted();
}

/** As GitHub makes them of headings. */
function anchorsOf(path: string): Set<string> {
  const headings = read(path).matchAll(/^#+ (.+)$/gm);
  return new Set([...headings].map(([, title]) => anchorOf(title!)));
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** What is wrong with a reference, if something is. */
function brokenness(file: string, target: string, bases: readonly string[]): string | undefined {
  const [path = "", anchor] = target.split("#");
  const found = path === "" ? file : bases.map((base) => join(base, path)).find((each) => existsSync(join(root, each)));
  if (found === undefined) return `${file}: there is no ${path}`;
  if (anchor === undefined || !found.endsWith(".md") || anchorsOf(found).has(anchor)) return undefined;
  return `${file}: ${found} has no section #${anchor}`;
}

test("comments and tests cite documents that are here, and sections that they have", () => {
  const broken = code.flatMap((file) => {
    // What stands in quotes is a file's name, and need be none of ours.
    const cited = read(file).matchAll(/(?<![\w/.$}"`-])((?:[\w.-]+\/)*[A-Z][\w-]*\.md)(#[\w-]+)?/g);
    const bases = [".", "src", dirname(file), join(dirname(file), "..")];
    const topics = read(file).matchAll(/\b(help\/\w+\.md)(#[\w-]+)?/g);
    const reasons = read(file).matchAll(/"((?:src\/)?(?:DESIGN|README)\.md)(#[\w-]+)/g);
    return [...cited, ...topics, ...reasons].flatMap(
      ([, path, anchor = ""]) => brokenness(file, path! + anchor, bases) ?? [],
    );
  });
  expect(broken).toEqual([]);
});

test("links of documents lead somewhere", () => {
  const broken = documents.flatMap((file) => {
    const links = read(file).matchAll(/\]\(([^)\s]+)\)/g);
    const inside = [...links].map(([, target]) => target!).filter((target) => !/^[a-z]+:/.test(target));
    return inside.flatMap((target) => brokenness(file, target, [dirname(file)]) ?? []);
  });
  expect(broken).toEqual([]);
});

test("src/DESIGN.md names every folder of src/, and files that exist", () => {
  const text = read("src/DESIGN.md");
  const folders = [...new Glob("*/").scanSync({ cwd: join(root, "src"), onlyFiles: false })].map((path) =>
    path.replace(/\/?$/, "/"),
  );
  const rows = [...text.matchAll(/^\| `([\w/]+\/)` +\|/gm)].map(([, folder]) => folder!);
  expect(rows.toSorted()).toEqual(folders.toSorted());
  const files = [...text.matchAll(/`((?:[\w-]+\/)*[\w.-]+\.(?:ts|c))`/g)].map(([, path]) => path!);
  const missing = files.filter((path) => !code.some((each) => `/${each}`.endsWith(`/${path}`)));
  expect(missing).toEqual([]);
});

test("comments name files that are here", () => {
  const known = [...code, ...documents];
  const gone = code.flatMap((file) => {
    const comments = read(file).matchAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm);
    return [...comments].flatMap(([comment]) =>
      [...comment.matchAll(/(?<![\w./@-])(?:\.{0,2}\/)*((?:[\w.-]+\/)*[\w-]+(?:\.test)?\.(?:ts|c))\b/g)]
        .filter(([, path]) => !known.some((each) => `/${each}`.endsWith(`/${path}`)))
        .map(([, path]) => `${file}: ${path}`),
    );
  });
  expect(gone).toEqual([]);
});

/** Rows of what elhaz and aivault do, which the tests name by their ids. */
test("ids of rows in titles and comments are rows of interop/peers", () => {
  const rows = new Set(
    scan("test/interop/peers/*.ts").flatMap((path) => [...read(path).matchAll(/"([EA]-\d{3})"/g)].map(([, id]) => id)),
  );
  expect(rows.size).toBeGreaterThan(100);
  const unknown = code
    .filter((path) => !path.startsWith("test/interop/"))
    .flatMap((path) =>
      [...read(path).matchAll(/\b[EA]-\d{3}\b/g)].filter(([id]) => !rows.has(id)).map(([id]) => `${path}: ${id}`),
    );
  expect(unknown).toEqual([]);
});

/** A document as it would be without what the formatter adds to tables. */
const unpadded = (text: string) => text.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---");

test("the README's comparison is what npm run compare stored", () => {
  const table = renderComparison(JSON.parse(read("test/compare/measured.json")) as Record<string, Measured>);
  expect(unpadded(read("README.md"))).toContain(unpadded(table));
});
