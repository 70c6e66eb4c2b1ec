// The Bun that is inside an executable: npm's package of it, by the sum that the lock has. What Bun itself downloads for
// another platform, it compares with nothing.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { type Dirent, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "./release.ts";

/** Bun's packages have its own names for CPUs, and what is static is linked from the one for musl. */
function packageOf({ platform, cpu }: Target): string {
  return `@oven/bun-${platform}-${cpu === "arm64" ? "aarch64" : cpu}${platform === "linux" ? "-musl" : ""}`;
}

/**
 * Fetches it by npm, which may have it already.
 * @param root the repository
 * @param folder a new one
 * @returns the executable, in that folder
 * @throws Error if it is not what the lock says
 */
export function fetchRuntime(root: string, target: Target, folder: string): string {
  const name = packageOf(target);
  const locked = readLock(join(root, "package-lock.json"))[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json does not have ${name}`);
  mkdirSync(folder);
  run(folder, "npm", "pack", "--silent", "--prefer-offline", `${name}@${locked.version}`);
  const [archive] = readdirSync(folder);
  if (archive === undefined) throw new Error(`npm has not packed ${name}`);
  refuseOther(name, readFileSync(join(folder, archive)), locked);
  run(folder, "tar", "-xzf", archive, "package/bin/bun");
  return join(folder, "package", "bin", "bun");
}

export function refuseOther(name: string, archive: Uint8Array, { integrity }: Pick<Locked, "integrity">): void {
  const found = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  if (found !== integrity) throw new Error(`${name} is not what package-lock.json says: ${found}, not ${integrity}`);
}

function run(cwd: string, program: string, ...words: readonly string[]): void {
  const { status, error } = spawnSync(program, words, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`${program} ${words.join(" ")} has failed`, { cause: error });
}

// Whether what is installed is what package-lock.json says: a release is of nothing else.

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

function readLock(file: string): Lock["packages"] {
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

// Bun's runtime obeys variables that turn an executable into something else: BUN_BE_BUN=1 into the Bun command line,
// which runs any script; BUN_OPTIONS and BUN_INSPECT… into a debuggee or a preloader. There is no flag against it,
// so their names are taken out of the executable.

/** Longest first, because some are the beginnings of others. */
const NAMES = [
  "BUN_INSPECT_CONNECT_TO",
  "BUN_INSPECT_PRELOAD",
  "BUN_INSPECT_NOTIFY",
  "BUN_INSPECT",
  "BUN_OPTIONS",
  "BUN_BE_BUN",
] as const;

/**
 * A copy in which each name is zero bytes. No variable can have that name: to C it is empty, to Zig it has zeros in it,
 * and neither can stand in an environment.
 *
 * @throws Error for a name that is not there: a new Bun may have another
 */
export function neutralise(executable: Uint8Array): Uint8Array {
  const bytes = Buffer.from(executable);
  for (const name of NAMES) {
    let found = 0;
    for (let at = bytes.indexOf(name); at !== -1; at = bytes.indexOf(name, at)) {
      bytes.fill(0, at, at + name.length);
      found += 1;
    }
    if (found === 0) throw new Error(`the executable does not mention ${name}: what does this Bun obey instead?`);
  }
  return bytes;
}
