// Executables as `bun build --compile` writes them for musl, and what becomes of them. The first use on a machine
// downloads Bun's base executables.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { linkStatically } from "../../src/build/link.ts";
import { loadArchive } from "../../src/build/archive.ts";
import type { Cpu } from "../../src/build/vendor/packages.ts";
import { encodeAddresses } from "../../src/native/functions.ts";

/** Enough for the download. */
export const compileTimeout = 180_000;

/** Compiles with the flags of the product (build.ts) as far as they change the executable's shape. */
export async function compile(entrypoint: string, cpu: Cpu, folder: string, libc: string): Promise<Uint8Array> {
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, "program");
  await Bun.build({
    entrypoints: [entrypoint],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    splitting: true,
    define: { LIBC: JSON.stringify(libc) },
    compile: { outfile, target: `bun-linux-${cpu}-musl`, autoloadDotenv: false, autoloadBunfig: false },
  });
  return readFileSync(outfile);
}

/** The two passes: link to learn the addresses, compile them in, link again. */
export async function compileStatically(entrypoint: string, cpu: Cpu, folder: string, names: readonly string[]) {
  const archive = loadArchive(cpu);
  const first = await compile(entrypoint, cpu, folder, encodeAddresses(names, new Map()));
  const before = linkStatically(first, archive, { exports: names });
  const second = await compile(entrypoint, cpu, folder, encodeAddresses(names, before.addresses));
  const after = linkStatically(second, archive, { exports: names });
  return { before, after };
}
