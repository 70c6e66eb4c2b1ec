// The ar archive of System V as GNU writes it (ar(5)): a table of long names, then members. The symbol index is neither
// read nor written; the linker reads the symbols of the members themselves.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import type { Cpu } from "./vendor/packages.ts";

export interface Member {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const magic = "!<arch>\n";
const headerSize = 60;
/** Fields of a member's header: where they begin and end. */
const nameField = [0, 16] as const;
const sizeField = [48, 58] as const;
const endField = [58, 60] as const;

/** The members in the order of the archive. @throws Error if the archive is damaged. */
export function readArchive(bytes: Uint8Array): Member[] {
  const text = (start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString("latin1");
  if (text(0, magic.length) !== magic) throw new Error("this is no archive");
  const members: Member[] = [];
  let longNames = "";
  let at = magic.length;
  while (at < bytes.length) {
    const field = ([start, end]: readonly [number, number]) => text(at + start, at + end).trimEnd();
    const size = Number(field(sizeField));
    const start = at + headerSize;
    if (field(endField) !== "`" || !Number.isSafeInteger(size) || start + size > bytes.length) {
      throw new Error(`the archive is damaged at offset ${at}`);
    }
    const name = field(nameField);
    if (name === "//") longNames = text(start, start + size);
    else if (name !== "/" && name !== "/SYM64/") {
      // A copy, so that its numbers are aligned and it does not keep the archive alive.
      members.push({ name: memberName(name, longNames), bytes: bytes.slice(start, start + size) });
    }
    // Members begin at even offsets.
    at = start + size + (size % 2);
  }
  return members;
}

/** `name/` stands for itself, `/123` for the long name at 123. */
function memberName(field: string, longNames: string): string {
  if (!/^\/\d+$/.test(field)) return field.replace(/\/$/, "");
  const start = Number(field.slice(1));
  const end = longNames.indexOf("/\n", start);
  if (end === -1) throw new Error(`the archive has no long name at ${start}`);
  return longNames.slice(start, end);
}

/** An archive with these members: no dates, no owners, so that the same members give the same bytes. */
export function writeArchive(members: readonly Member[]): Uint8Array {
  let longNames = "";
  const entries = members.map((member) => {
    const name = `/${longNames.length}`;
    longNames += `${member.name}/\n`;
    return memberBytes(name, member.bytes);
  });
  return Buffer.concat([Buffer.from(magic), memberBytes("//", Buffer.from(longNames, "latin1")), ...entries]);
}

function memberBytes(name: string, content: Uint8Array): Uint8Array {
  const [date, owner, group, mode] = ["0".padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
  const header = `${name.padEnd(16)}${date}${owner}${group}${mode}${String(content.length).padEnd(10)}\`\n`;
  const padding = new Uint8Array(content.length % 2).fill(0x0a);
  return Buffer.concat([Buffer.from(header), content, padding]);
}

// The archives in vendor/: the members of musl's libc, libstdc++ and libgcc that the link needs.

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
