// The files of a release beside its executables: sums, bill of materials, notices, installer.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bun, bundled, vendored, type Component } from "./components.ts";
import { writeNotices } from "./notices.ts";
import { writeSbom, type Product } from "./sbom.ts";
import { sha256 } from "./vendor.ts";
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

/** Writes them; all depend on what they describe alone, on no clock and no chance. */
export function writeRelease({ root, out, product, bunVersion, installer, modules }: ReleaseOptions): void {
  const license = readFileSync(join(root, "LICENSE"), "utf8");
  const runtime = bun(bunVersion, root);
  const executables = [...modules].map(([target, paths]) => {
    const components: Component[] = [runtime, ...bundled(paths, root)];
    if (target.platform === "linux") components.push(...vendored(target.cpu));
    const file = executableName(target);
    return { file, sha256: sha256(readFileSync(join(out, file))), components };
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
    ...executables.map((executable) => [executable.file, executable.sha256]),
    ...files.map(({ file, text }) => [file, sha256(Buffer.from(text))]),
  ].map(([file, sum]) => `${sum}  ${file}\n`);
  writeFileSync(join(out, "SHA256SUMS"), sums.join(""), { mode: 0o644 });
}
