// Builds keyhole: `bun build.ts` the executable for this machine, dist/keyhole.
//
//   --if-stale   do nothing where it is newer than its sources
//   --dynamic    dist/keyhole-dynamic instead: Bun's own executable, for what a static one cannot do (libfaketime)
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import manifest from "./package.json" with { type: "json" };
import { linkStatically } from "./src/build/link.ts";
import { neutralise } from "./src/build/neutralise.ts";
import { loadArchive } from "./src/build/vendor.ts";
import { LIBC_FUNCTIONS } from "./src/native/functions.ts";

const root = import.meta.dir;
const dist = join(root, "dist");

type Cpu = "x64" | "arm64";

interface CompileOptions {
  /** Bun's name of the target; this machine's if absent. */
  readonly target?: Bun.Build.CompileTarget;
  /** What `--version --json` says: `linux-x64`. */
  readonly label?: string;
  /** Addresses of libc's functions, as functions.ts encodes them; absent where they are found by dlopen. */
  readonly libc?: string;
}

/** Compiles with the product's flags; each is justified by a measurement in BUN.md, 5 and 6. */
export async function compile(entrypoint: string, outfile: string, options: CompileOptions = {}): Promise<void> {
  mkdirSync(join(outfile, ".."), { recursive: true });
  const result = await Bun.build({
    entrypoints: [entrypoint],
    target: "bun",
    format: "esm",
    minify: true,
    // Start-up: no parsing, and only the chunks of the role that runs.
    bytecode: true,
    splitting: true,
    sourcemap: "none",
    define: {
      "process.env.NODE_ENV": '"production"',
      KEYHOLE_VERSION: JSON.stringify(manifest.version),
      KEYHOLE_COMMIT: JSON.stringify(currentCommit()),
      KEYHOLE_TARGET: JSON.stringify(options.label ?? `${process.platform}-${process.arch}`),
      KEYHOLE_LIBC: JSON.stringify(options.libc ?? ""),
    },
    compile: {
      outfile,
      ...(options.target && { target: options.target }),
      // Otherwise a `.env` or `bunfig.toml` in the directory where it is started is loaded, and can run code.
      autoloadDotenv: false,
      autoloadBunfig: false,
      execArgv: ["--disallow-code-generation-from-strings=strict", "--no-addons", "--no-ffi-cc"],
    },
  });
  for (const message of result.logs) console.error(message);
}

/**
 * Compiles for musl and links statically, twice: the first pass learns where libc's functions come to lie, the second
 * has their addresses compiled in. Equal sizes give equal addresses; the build ends where they differ.
 */
export async function compileStatically(entrypoint: string, outfile: string, cpu: Cpu): Promise<void> {
  const archive = loadArchive(cpu);
  // The base name is compiled in, so it is the same in both passes and in every build directory.
  const temporary = join(`${outfile}.tmp`, "keyhole");
  const pass = async (addresses: ReadonlyMap<string, number>) => {
    const libc = LIBC_FUNCTIONS.map((name) => (addresses.get(name) ?? 0).toString(16).padStart(16, "0")).join("");
    await compile(entrypoint, temporary, { target: `bun-linux-${cpu}-musl`, label: `linux-${cpu}`, libc });
    return linkStatically(readFileSync(temporary), archive, { exports: LIBC_FUNCTIONS });
  };
  try {
    const first = await pass(new Map());
    const second = await pass(first.addresses);
    const isSame = LIBC_FUNCTIONS.every((name) => first.addresses.get(name) === second.addresses.get(name));
    if (!isSame || first.executable.length !== second.executable.length) {
      throw new Error("the two passes of the static link differ");
    }
    writeFileSync(outfile, neutralise(second.executable), { mode: 0o755 });
  } finally {
    rmSync(join(temporary, ".."), { recursive: true, force: true });
  }
}

function currentCommit(): string {
  if (Bun.which("git") === null) return "unknown";
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: root, stderr: "ignore" });
  return git.success ? git.stdout.toString().trim() : "unknown";
}

function isStale(outfile: string): boolean {
  if (!existsSync(outfile)) return true;
  const built = statSync(outfile).mtimeMs;
  const sources = [...new Glob("src/**/*.{ts,zst}").scanSync(root), "build.ts", "package.json", "bun.lock"];
  return sources.some((source) => statSync(join(root, source)).mtimeMs > built);
}

async function buildHere(words: readonly string[]): Promise<void> {
  const isStatic = process.platform === "linux" && !words.includes("--dynamic");
  const outfile = join(dist, isStatic || process.platform !== "linux" ? "keyhole" : "keyhole-dynamic");
  if (words.includes("--if-stale") && !isStale(outfile)) return;
  const main = join(root, "src", "main.ts");
  mkdirSync(dist, { recursive: true });
  if (isStatic) await compileStatically(main, outfile, process.arch as Cpu);
  else await compile(main, outfile);
  console.error(`built ${outfile}`);
}

if (import.meta.main) await buildHere(process.argv.slice(2));
