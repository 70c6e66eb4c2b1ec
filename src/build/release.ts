// The files of a release beside its executables: those compressed, sums, bill of materials, notices, installer.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bun, bundled, type Component, type Product, vendored, writeSbom } from "./components.ts";
import { sha256 } from "./archive.ts";
import type { Cpu } from "./vendor/packages.ts";

export interface Target {
  readonly platform: "linux" | "darwin";
  readonly cpu: Cpu;
}

/** What a release is for. */
export const targets: readonly Target[] = [
  { platform: "linux", cpu: "x64" },
  { platform: "linux", cpu: "arm64" },
  { platform: "darwin", cpu: "arm64" },
  { platform: "darwin", cpu: "x64" },
];

export function executableName({ platform, cpu }: Target): string {
  return `keyhole-${platform}-${cpu}`;
}

export interface ReleaseOptions {
  /** The repository, with node_modules. */
  readonly root: string;
  /** The folder, which holds the executables already. */
  readonly out: string;
  readonly product: Product;
  readonly bunVersion: string;
  /** install.sh, stamped. */
  readonly installer: string;
  /** The modules in the executable for each target, as the bundler names them. */
  readonly modules: ReadonlyMap<Target, readonly string[]>;
}

/** What install.sh downloads: 51 MB instead of 110. libdeflate makes the same bytes on every CPU; zlib-ng does not. */
function pack(executable: Uint8Array<ArrayBuffer>): Uint8Array {
  return Bun.gzipSync(executable, { library: "libdeflate", level: 9 });
}

/** Writes them; all depend on what they describe alone, on no clock and no chance. */
export function writeRelease({ root, out, product, bunVersion, installer, modules }: ReleaseOptions): void {
  const license = readFileSync(join(root, "LICENSE"), "utf8");
  const runtime = bun(bunVersion, root);
  const executables = [...modules].map(([target, paths]) => {
    const components: Component[] = [runtime, ...bundled(paths, root)];
    if (target.platform === "linux") components.push(...vendored(target.cpu));
    const file = executableName(target);
    const bytes = readFileSync(join(out, file));
    const packed = pack(bytes);
    writeFileSync(join(out, `${file}.gz`), packed, { mode: 0o644 });
    return { file, sha256: sha256(bytes), packed: sha256(packed), components };
  });
  const notices = writeNotices(
    license,
    executables.flatMap(({ components }) => components),
  );
  const files = [
    { file: "install.sh", text: installer, mode: 0o755 },
    { file: "keyhole.cdx.json", text: writeSbom(product, executables), mode: 0o644 },
    { file: "THIRD-PARTY-NOTICES.txt", text: notices, mode: 0o644 },
  ];
  for (const { file, text, mode } of files) writeFileSync(join(out, file), text, { mode });
  const sums = [
    ...executables.flatMap(({ file, sha256: sum, packed }) => [
      [file, sum],
      [`${file}.gz`, packed],
    ]),
    ...files.map(({ file, text }) => [file, sha256(Buffer.from(text))]),
  ].map(([file, sum]) => `${sum}  ${file}\n`);
  writeFileSync(join(out, "SHA256SUMS"), sums.join(""), { mode: 0o644 });
}

// install.sh as a release has it: with the address of the releases.

/** Stands once in install.sh, between single quotes. */
const placeholder = "@BASE_URL@";

/**
 * The script with its address; without one it is as in the repository, and asks for KEYHOLE_BASE_URL.
 * @throws Error for an address that the script would refuse, or that would end its quotes
 */
export function stampInstaller(script: string, baseUrl: string | undefined): string {
  if (script.split(placeholder).length !== 2) throw new Error(`install.sh has not one ${placeholder}`);
  if (baseUrl === undefined) return script;
  if (!/^(?:https?:\/\/[^/]|file:\/\/\/)/.test(baseUrl)) {
    throw new Error(`the address must begin with https://, http:// or file:///: ${JSON.stringify(baseUrl)}`);
  }
  // What an address may hold (RFC 3986), without the apostrophe.
  if (!/^[\w\-.~:/?#[\]@!$&()*+,;=%]+$/.test(baseUrl)) {
    throw new Error(`the address has a character that it must not have: ${JSON.stringify(baseUrl)}`);
  }
  return script.replace(placeholder, () => baseUrl.replace(/\/+$/, ""));
}

// THIRD-PARTY-NOTICES.txt: the licences of all that is in a release, each text once.

const rule = "=".repeat(100);

/**
 * @param own keyhole's own licence
 * @param components in any order; one that stands in several executables may come several times
 */
export function writeNotices(own: string, components: readonly Component[]): string {
  const byNotice = new Map<string, Set<string>>();
  for (const { name, version, license, notice } of components) {
    const names = byNotice.get(notice) ?? new Set();
    byNotice.set(notice, names.add(`${name} ${version} (${license})`));
  }
  const sections = [...byNotice].map(([notice, names]) => [[...names].toSorted().join("\n"), notice] as const);
  return [
    "keyhole is under the Apache License 2.0, whose text ends this file. Its executables contain what is named below.",
    "musl, libstdc++ and libgcc are in those for Linux alone. The objects of libstdc++ and libgcc are Debian's; their\n" +
      "source is Debian's source package gcc-14. The exception below allows a program with them inside any terms.\n" +
      "cp-demangle.o in it is libiberty's: GPL 2 or later, with permission to link it into any program.",
    ...sections
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([names, notice]) => `${rule}\n${names}\n${rule}\n\n${notice.trim()}`),
    `${rule}\nkeyhole\n${rule}\n\n${own.trim()}\n`,
  ].join("\n\n");
}

// Which commit a build is of, as git knows it.

/** Digits of the commit's id: enough for a repository of any size that a person will see. */
const length = 12;

/** `4edc54e17dd1`, with `-dirty` behind it where tracked files differ from it; undefined where there is no git. */
export function readCommit(root: string): string | undefined {
  const id = git(root, "rev-parse", `--short=${length}`, "HEAD");
  if (id === undefined) return undefined;
  return git(root, "status", "--porcelain", "--untracked-files=no") === "" ? id : `${id}-dirty`;
}

function git(root: string, ...words: readonly string[]): string | undefined {
  if (Bun.which("git") === null) return undefined;
  // Without locks: others may be committing.
  const { success, stdout } = Bun.spawnSync(["git", "--no-optional-locks", ...words], { cwd: root, stderr: "ignore" });
  return success ? stdout.toString().trim() : undefined;
}

/**
 * The commit that a release names. What can be built again is a commit, and nothing else.
 * @param where there is no git, or the files of a commit are built in another place
 * @throws Error without git, or where files differ from the commit
 */
export function chooseCommit(given: string | undefined, found: string | undefined): string {
  if (given !== undefined) {
    if (!/^[0-9a-f]{7,40}$/.test(given)) throw new Error(`${given} is no id of a commit`);
    return given.slice(0, length);
  }
  if (found === undefined) throw new Error("git does not know the commit; name it: --commit ID");
  if (found.endsWith("-dirty")) throw new Error("files differ from the commit; commit them, or name it: --commit ID");
  return found;
}
