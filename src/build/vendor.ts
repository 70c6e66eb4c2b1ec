// The archives in vendor/: the members of musl's libc, libstdc++ and libgcc that the link needs.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import type { Cpu } from "./vendor/packages.ts";

const folder = join(import.meta.dir, "vendor");

/** The archive for one CPU, as `linkStatically` takes it. @throws Error if the file is not the one in SHA256SUMS. */
export function loadArchive(cpu: Cpu): Uint8Array {
  return openArchive(readFileSync(join(folder, archiveName(cpu))), readSums(folder).get(archiveName(cpu)));
}

export function archiveName(cpu: Cpu): string {
  return `${cpu}.a.zst`;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** @throws Error unless the bytes have this sum. */
export function openArchive(compressed: Uint8Array, expected: string | undefined): Uint8Array {
  const found = sha256(compressed);
  if (found !== expected) throw new Error(`the archive's SHA-256 is ${found}, not ${expected ?? "known"}`);
  return zstdDecompressSync(compressed);
}

/** File name → SHA-256: a folder's SHA256SUMS, in the format of sha256sum(1). */
export function readSums(of: string): ReadonlyMap<string, string> {
  const lines = readFileSync(join(of, "SHA256SUMS"), "utf8").trim().split("\n");
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}
