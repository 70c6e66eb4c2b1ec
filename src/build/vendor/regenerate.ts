// bun src/build/vendor/regenerate.ts MIRROR [FOLDER]
//
// Writes the archives and SHA256SUMS again: fetches the packages from a Debian mirror (its base, http: or file:), compiles
// an empty program for each CPU, and keeps the members that a link of it needs. The same Bun and the same packages give
// the same bytes. FOLDER is where they go; without it, this folder. Needs tar and xz.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { archiveName, type Member, readArchive, sha256, writeArchive } from "../archive.ts";
import { planLink } from "../link.ts";
import { type Cpu, offeredFunctions, type Package, packages } from "./packages.ts";

/** The library's members under names that say where they come from: `libc.a(execve.lo)`. */
async function fetchMembers(mirror: string, wanted: Package): Promise<Member[]> {
  const response = await fetch(new URL(wanted.path, mirror.endsWith("/") ? mirror : `${mirror}/`));
  if (!response.ok) throw new Error(`${wanted.path}: the mirror answers ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const found = sha256(bytes);
  if (found !== wanted.sha256) throw new Error(`${wanted.path}: the SHA-256 is ${found}, not ${wanted.sha256}`);
  // deb(5): an ar archive, whose data.tar.xz holds the files.
  const data = readArchive(bytes).find(({ name }) => name === "data.tar.xz");
  if (data === undefined) throw new Error(`${wanted.path}: there is no data.tar.xz`);
  const library = run(["tar", "-xJO", `./${wanted.library}`], data.bytes);
  return readArchive(library)
    .filter(({ bytes: content }) => content[0] === 0x7f)
    .map((member) => ({ name: `${basename(wanted.library)}(${member.name})`, bytes: member.bytes }));
}

function run(command: readonly [string, ...string[]], input?: Uint8Array): Uint8Array {
  const [program, ...words] = command;
  const result = spawnSync(program, words, { input, maxBuffer: 2 ** 30, stdio: ["pipe", "pipe", "inherit"] });
  if (result.status !== 0 || result.error !== undefined)
    throw new Error(`${program} has failed`, { cause: result.error });
  return result.stdout;
}

/** An empty program: what Bun itself imports does not depend on what it runs. */
function compileEmpty(cpu: Cpu, folder: string): Uint8Array {
  const source = join(folder, "empty.ts");
  const output = join(folder, cpu);
  writeFileSync(source, "");
  run([process.execPath, "build", "--compile", `--target=bun-linux-${cpu}-musl`, source, "--outfile", output]);
  return readFileSync(output);
}

async function regenerate(cpu: Cpu, mirror: string, folder: string): Promise<Uint8Array> {
  const members: Member[] = [];
  for (const wanted of packages[cpu]) members.push(...(await fetchMembers(mirror, wanted)));
  const plan = planLink(compileEmpty(cpu, folder), writeArchive(members), { exports: offeredFunctions });
  const archive = writeArchive(plan.resolution.objects);
  return zstdCompressSync(archive, { params: { [constants.ZSTD_c_compressionLevel]: 19 } });
}

const [mirror, target = import.meta.dir] = process.argv.slice(2);
if (mirror === undefined) throw new Error("usage: bun src/build/vendor/regenerate.ts MIRROR [FOLDER]");
const scratch = mkdtempSync(join(tmpdir(), "regenerate-"));
try {
  let sums = "";
  for (const cpu of ["arm64", "x64"] as const) {
    const archive = await regenerate(cpu, mirror, scratch);
    writeFileSync(join(target, archiveName(cpu)), archive);
    sums += `${sha256(archive)}  ${archiveName(cpu)}\n`;
    console.error(`${archiveName(cpu)}: ${archive.length} bytes`);
  }
  writeFileSync(join(target, "SHA256SUMS"), sums);
} finally {
  rmSync(scratch, { recursive: true });
}
