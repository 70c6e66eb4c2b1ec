// Whether what is installed is what package-lock.json says: a release is of nothing else.
import { type Dirent, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** npm's documentation, "package-lock.json": path below the repository → what is there. */
interface Lock {
  readonly packages: Readonly<Record<string, Locked>>;
}

export interface Locked {
  readonly version: string;
  /** Of the archive, as Subresource Integrity has it. npm compares it, and records it in node_modules. */
  readonly integrity: string;
  /** npm leaves it out where it is for another platform. */
  readonly optional?: boolean;
}

const folder = "node_modules";

/**
 * Compares node_modules with the lock: every package that is there, and what is beside them.
 * @param root the repository
 * @param bunVersion of the Bun that builds
 * @throws Error that names what differs
 */
export function refuseUnlocked(root: string, bunVersion: string): void {
  const locked = readLock(join(root, "package-lock.json"));
  const recorded = readLock(join(root, folder, ".package-lock.json"));
  const found = new Map(entriesOf(root, folder));
  const missing = Object.entries(locked).filter(([path, { optional }]) => path !== "" && !optional && !found.has(path));
  const differences = [
    ...[...found].flatMap(([path, entry]) => compare(root, path, entry, locked[path], recorded[path]) ?? []),
    ...missing.map(([path]) => `${path} is missing`),
  ];
  const builder = locked["node_modules/bun"]?.version;
  if (builder !== bunVersion) differences.push(`the Bun that builds is ${bunVersion}, not ${builder}`);
  if (differences.length > 0) {
    throw new Error(`what is installed is not what package-lock.json says: run npm ci\n${differences.join("\n")}`);
  }
}

export function readLock(file: string): Lock["packages"] {
  if (!existsSync(file)) throw new Error(`${file} is missing: run npm ci`);
  return (JSON.parse(readFileSync(file, "utf8")) as Lock).packages;
}

/** All that an import can find by a name. What begins with a dot is npm's own. */
function* entriesOf(root: string, parent: string): Generator<[path: string, entry: Dirent]> {
  const entries = readdirSync(join(root, parent), { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = `${parent}/${entry.name}`;
    if (entry.name.startsWith(".")) continue;
    if (entry.name.startsWith("@") && entry.isDirectory()) {
      yield* entriesOf(root, path);
      continue;
    }
    yield [path, entry];
    if (entry.isDirectory() && existsSync(join(root, path, folder))) yield* entriesOf(root, `${path}/${folder}`);
  }
}

/** What is wrong with a package; undefined if nothing is. */
function compare(
  root: string,
  path: string,
  entry: Dirent,
  locked: Locked | undefined,
  recorded: Locked | undefined,
): string | undefined {
  if (locked === undefined) return `${path} is not in it`;
  if (!entry.isDirectory()) return `${path} is no folder`;
  const manifest = join(root, path, "package.json");
  if (!existsSync(manifest)) return `${path} has no package.json`;
  const { name, version } = JSON.parse(readFileSync(manifest, "utf8")) as Readonly<Record<string, unknown>>;
  if (!`/${path}`.endsWith(`/${folder}/${String(name)}`)) return `${path} is ${String(name)}`;
  if (version !== locked.version) return `${path} is ${String(version)}, not ${locked.version}`;
  if (recorded?.integrity !== locked.integrity) return `${path} came from another archive`;
  return undefined;
}
