// Builds keyhole: `bun build.ts` the executable for this machine, dist/keyhole.
//
//   --if-stale   do nothing where it is newer than its sources
//   --dynamic    dist/keyhole-dynamic instead: Bun's own executable, for what a static one cannot do (libfaketime)
//
// `bun build.ts --release` builds all that is published, dist/release/, the same bytes wherever it is built.
//
//   --base-url URL   where it will be published: stamped into install.sh
//   --out DIR        another folder
//   --commit ID      the commit that it is of, where git does not know it
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Glob } from "bun";
import manifest from "./package.json" with { type: "json" };
import {
  chooseCommit,
  executableName,
  readCommit,
  stampInstaller,
  type Target,
  targets,
  writeRelease,
} from "./src/build/release.ts";
import { linkSmall, loadCode } from "./src/build/express.ts";
import { linkStatically } from "./src/build/link.ts";
import { fetchRuntime, neutralise, refuseUnlocked } from "./src/build/runtime.ts";
import { readSignature, sign } from "./src/build/macho.ts";
import { loadArchive } from "./src/build/archive.ts";
import type { Cpu } from "./src/build/vendor/packages.ts";
import { encodeAddresses, LIBC_FUNCTIONS } from "./src/native/functions.ts";

const root = import.meta.dir;
const dist = join(root, "dist");

/** What it is built of, beside the sources. */
interface Origin {
  /** What `--version --json` says. */
  readonly commit?: string;
  /** Bun's executable for the target; Bun's own choice if absent. */
  readonly runtime?: string;
}

interface CompileOptions extends Origin {
  /** Bun's name of the target; this machine's if absent. */
  readonly target?: Bun.Build.CompileTarget;
  /** What `--version --json` says: `linux-x64`. */
  readonly label?: string;
  /** Addresses of libc's functions, as functions.ts encodes them; absent where they are found by dlopen. */
  readonly libc?: string;
}

/**
 * Compiles with the product's flags; src/DESIGN.md#what-bun-does has the measurement for each.
 * Returns the paths of the modules that are in it.
 */
export async function compile(entrypoint: string, outfile: string, options: CompileOptions = {}): Promise<string[]> {
  mkdirSync(dirname(outfile), { recursive: true });
  const result = await Bun.build({
    entrypoints: [entrypoint],
    target: "bun",
    format: "esm",
    minify: true,
    // Start-up: no parsing, and only the chunks of the role that runs.
    bytecode: true,
    splitting: true,
    // A chunk is a file to find, to map and to link: 0.5 ms of a daemon's start go to the small ones.
    minChunkSize: 16_384,
    sourcemap: "none",
    metafile: true,
    define: {
      "process.env.NODE_ENV": '"production"',
      KEYHOLE_VERSION: JSON.stringify(manifest.version),
      KEYHOLE_COMMIT: JSON.stringify(options.commit ?? "unknown"),
      KEYHOLE_TARGET: JSON.stringify(options.label ?? `${process.platform}-${process.arch}`),
      KEYHOLE_SMALL: JSON.stringify({ x64: encodeSmall("x64"), arm64: encodeSmall("arm64") }),
      KEYHOLE_LIBC: JSON.stringify(options.libc ?? ""),
    },
    compile: {
      outfile,
      ...(options.target && { target: options.target }),
      ...(options.runtime && { executablePath: options.runtime }),
      // What runs once is not worth compiling, nor starting the compiler's threads for: 1 ms of a client, 4 of a daemon's
      // start. The daemon takes it back once it is ready.
      jitPolicy: 16,
      // Otherwise a `.env` or `bunfig.toml` in the directory where it is started is loaded, and can run code.
      autoloadDotenv: false,
      autoloadBunfig: false,
      execArgv: ["--disallow-code-generation-from-strings=strict", "--no-addons", "--no-ffi-cc"],
    },
  });
  for (const message of result.logs) console.error(message);
  return Object.keys(result.metafile?.inputs ?? {});
}

function encodeSmall(cpu: Cpu): string {
  return linkSmall(cpu, manifest.version).toBase64();
}

/** The file to compile into: its base name is compiled in, so it is the same in every pass and build directory. */
function temporaryFor(outfile: string): string {
  return join(`${outfile}.tmp`, "keyhole");
}

/** Writes beside it and renames: what is there may be running, and no process may find half of a file. */
function replace(outfile: string, executable: Uint8Array): void {
  const complete = join(dirname(temporaryFor(outfile)), "complete");
  writeFileSync(complete, executable, { mode: 0o755 });
  renameSync(complete, outfile);
}

/**
 * Compiles for musl and links statically, twice: the first pass learns where libc's functions come to lie, the second
 * has their addresses compiled in. Equal sizes give equal addresses; the build ends where they differ.
 */
export async function compileStatically(
  entrypoint: string,
  outfile: string,
  cpu: Cpu,
  origin: Origin = {},
): Promise<string[]> {
  const archive = loadArchive(cpu);
  const express = loadCode("express", cpu);
  const temporary = temporaryFor(outfile);
  const pass = async (addresses: ReadonlyMap<string, number>) => {
    const libc = encodeAddresses(LIBC_FUNCTIONS, addresses);
    const options = { ...origin, target: `bun-linux-${cpu}-musl`, label: `linux-${cpu}`, libc } as const;
    const modules = await compile(entrypoint, temporary, options);
    return { modules, ...linkStatically(readFileSync(temporary), archive, { exports: LIBC_FUNCTIONS, express }) };
  };
  try {
    const first = await pass(new Map());
    const second = await pass(first.addresses);
    const isSame = LIBC_FUNCTIONS.every((name) => first.addresses.get(name) === second.addresses.get(name));
    if (!isSame || first.executable.length !== second.executable.length) {
      throw new Error("the two passes of the static link differ");
    }
    replace(outfile, neutralise(second.executable));
    return second.modules;
  } finally {
    rmSync(dirname(temporary), { recursive: true, force: true });
  }
}

/** Compiles for macOS and signs ad hoc: what Bun signed does not cover the changed bytes, or does not fit (x64). */
async function compileSigned(entrypoint: string, outfile: string, cpu: Cpu, origin: Origin): Promise<string[]> {
  const temporary = temporaryFor(outfile);
  try {
    const options = { ...origin, target: `bun-darwin-${cpu}`, label: `darwin-${cpu}` } as const;
    const modules = await compile(entrypoint, temporary, options);
    const executable = sign(neutralise(readFileSync(temporary)), "keyhole");
    const { isComplete, mismatches } = readSignature(executable);
    if (!isComplete || mismatches.length > 0) throw new Error(`the signature for darwin-${cpu} does not fit`);
    replace(outfile, executable);
    return modules;
  } finally {
    rmSync(dirname(temporary), { recursive: true, force: true });
  }
}

function isStale(outfile: string): boolean {
  if (!existsSync(outfile)) return true;
  const built = statSync(outfile).mtimeMs;
  const sources = [
    ...new Glob("src/**/*.{ts,md,txt,bash,zsh,fish,ps1,zst,bin}").scanSync(root),
    "build.ts",
    "package.json",
    "package-lock.json",
  ];
  return sources.some((source) => statSync(join(root, source)).mtimeMs > built);
}

const main = join(root, "src", "main.ts");

function buildFor({ platform, cpu }: Target, outfile: string, origin: Origin): Promise<string[]> {
  return (platform === "linux" ? compileStatically : compileSigned)(main, outfile, cpu, origin);
}

interface HereOptions {
  readonly isDynamic: boolean;
  readonly ifStale: boolean;
}

async function buildHere({ isDynamic, ifStale }: HereOptions): Promise<void> {
  const outfile = join(dist, isDynamic ? "keyhole-dynamic" : "keyhole");
  if (ifStale && !isStale(outfile)) return;
  const here = targets.find(({ platform, cpu }) => platform === process.platform && cpu === process.arch);
  const commit = readCommit(root);
  const origin = commit === undefined ? {} : { commit };
  mkdirSync(dist, { recursive: true });
  if (isDynamic) await compile(main, outfile, origin);
  else if (here !== undefined) await buildFor(here, outfile, origin);
  else throw new Error(`there is no keyhole for ${process.platform}-${process.arch}`);
  console.error(`built ${outfile}`);
}

interface ReleaseWords {
  readonly out: string;
  readonly baseUrl: string | undefined;
  readonly commit: string | undefined;
}

async function buildRelease({ out, baseUrl, commit: given }: ReleaseWords): Promise<void> {
  const commit = chooseCommit(given, readCommit(root));
  refuseUnlocked(root, Bun.version);
  const installer = stampInstaller(readFileSync(join(root, "install.sh"), "utf8"), baseUrl);
  mkdirSync(out, { recursive: true });
  // Until the end there are no sums, so that half a release cannot be taken for one.
  rmSync(join(out, "SHA256SUMS"), { force: true });
  const modules = new Map<Target, readonly string[]>();
  const scratch = mkdtempSync(join(tmpdir(), "keyhole-release-"));
  try {
    for (const target of targets) {
      const name = executableName(target);
      const runtime = fetchRuntime(root, target, join(scratch, name));
      // One after the other: each takes half a gigabyte of memory.
      // oxlint-disable-next-line no-await-in-loop
      modules.set(target, await buildFor(target, join(out, name), { commit, runtime }));
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  const product = { ...manifest, commit };
  writeRelease({ root, out, product, bunVersion: Bun.version, installer, modules });
  console.error(`built ${out}`);
}

async function run(from: string): Promise<void> {
  const { values } = parseArgs({
    options: {
      "if-stale": { type: "boolean", default: false },
      dynamic: { type: "boolean", default: false },
      release: { type: "boolean", default: false },
      "base-url": { type: "string" },
      out: { type: "string", default: join(dist, "release") },
      commit: { type: "string" },
    },
  });
  if (values.release) {
    await buildRelease({ out: resolve(from, values.out), baseUrl: values["base-url"], commit: values.commit });
  } else {
    await buildHere({ isDynamic: values.dynamic, ifStale: values["if-stale"] });
  }
}

if (import.meta.main) {
  // Chunks are named by the paths of their modules, seen from here: another directory would give another executable.
  const from = process.cwd();
  process.chdir(root);
  try {
    await run(from);
  } catch (error) {
    console.error(`build.ts: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
