// Compiles the executable for this machine into dist/keyhole. `--if-stale` does nothing if it is newer than its sources.
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import manifest from "./package.json" with { type: "json" };

const root = import.meta.dir;
const outfile = join(root, "dist", "keyhole");

function isStale(): boolean {
  if (!existsSync(outfile)) return true;
  const built = statSync(outfile).mtimeMs;
  const sources = [...new Glob("src/**/*.ts").scanSync(root), "build.ts", "package.json", "bun.lock"];
  return sources.some((source) => statSync(join(root, source)).mtimeMs > built);
}

function currentCommit(): string {
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: root, stderr: "ignore" });
  return git.success ? git.stdout.toString().trim() : "unknown";
}

/** Every flag is justified by a measurement in BUN.md, 5 and 6. */
export async function compile(entrypoint: string, output: string): Promise<void> {
  mkdirSync(join(output, ".."), { recursive: true });
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
      KEYHOLE_TARGET: JSON.stringify(`${process.platform}-${process.arch}`),
    },
    compile: {
      outfile: output,
      // Otherwise a `.env` or `bunfig.toml` in the directory where it is started is loaded, and can run code.
      autoloadDotenv: false,
      autoloadBunfig: false,
      execArgv: ["--disallow-code-generation-from-strings=strict", "--no-addons", "--no-ffi-cc"],
    },
  });
  for (const message of result.logs) console.error(message);
}

if (import.meta.main && (!process.argv.includes("--if-stale") || isStale())) {
  await compile(join(root, "src", "main.ts"), outfile);
  console.error(`built ${outfile}`);
}
