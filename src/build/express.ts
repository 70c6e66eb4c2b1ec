// The code that runs before Bun, or without it: what express/ compiles to.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { alignUp, viewOf, writeAddress } from "./bytes.ts";
import { fileType, headerField, recordSize, segmentFlag, segmentType, writeSegment } from "./elf.ts";
import { readSums, sha256 } from "./archive.ts";
import type { Cpu } from "./vendor/packages.ts";

/** By the names of the C files. */
export type CodeName = "express" | "small";
export const codeNames: readonly CodeName[] = ["express", "small"];

const folder = join(import.meta.dir, "express");

export function fileOf(name: CodeName, cpu: Cpu): string {
  return `${name}-${cpu}.bin`;
}

/** The code for one CPU. @throws Error if the file is not the one in SHA256SUMS, or not there */
export function loadCode(name: CodeName, cpu: Cpu): Uint8Array {
  const file = fileOf(name, cpu);
  const code = readFileSync(join(folder, file));
  if (sha256(code) !== readSums(folder).get(file))
    throw new Error(`src/build/express/${file} is not what SHA256SUMS has`);
  return code;
}

/** Where in the code an address stands (express.c): of what it goes on with where it does not answer. */
const GO_ON = 8;

/** Has the code go on at an address where it does not answer. */
export function goOnAt(code: Uint8Array, address: number): void {
  writeAddress(viewOf(code), GO_ON, address);
}

/** Where every small static executable begins by custom, and page sizes of up to 64 KiB, which some arm64 have. */
const ADDRESS = 0x400000;
const ALIGNMENT = 0x10000;
/** gABI 4, "ELF Header": e_machine. */
const machines: Readonly<Record<Cpu, number>> = { x64: 62, arm64: 183 };

/** The small executable: what a grant's directory holds (express/small.c), a few kilobytes. */
export function linkSmall(cpu: Cpu, version: string): Uint8Array {
  return linkAlone(loadCode("small", cpu), cpu, Buffer.from(`${version}\0`));
}

/** A static executable of the code and `rest`, at which it goes on. */
export function linkAlone(code: Uint8Array, cpu: Cpu, rest: Uint8Array): Uint8Array {
  const segments = [segmentType.load, segmentType.stack] as const;
  const start = recordSize.header + 2 * recordSize.segment + 16;
  // It may be code as well.
  const behind = alignUp(start + code.length, 16);
  const file = new Uint8Array(behind + rest.length);
  const view = viewOf(file);
  // gABI 4, "ELF Header": the magic number, 64 bit, little-endian, version 1.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(headerField.type, fileType.executable, true);
  view.setUint16(headerField.machine, machines[cpu], true);
  view.setUint32(headerField.version, 1, true);
  writeAddress(view, headerField.entry, ADDRESS + start);
  writeAddress(view, headerField.segmentsOffset, recordSize.header);
  view.setUint16(headerField.headerSize, recordSize.header, true);
  view.setUint16(headerField.segmentSize, recordSize.segment, true);
  view.setUint16(headerField.segmentCount, segments.length, true);
  const size = { fileSize: file.length, memorySize: file.length, alignment: ALIGNMENT };
  const flags = segmentFlag.read | segmentFlag.execute;
  writeSegment(view, recordSize.header, { type: segmentType.load, flags, offset: 0, address: ADDRESS, ...size });
  // Without it the kernel makes the stack executable, and on x64 all that can be read.
  writeSegment(view, recordSize.header + recordSize.segment, {
    type: segmentType.stack,
    flags: segmentFlag.read | segmentFlag.write,
    offset: 0,
    address: 0,
    fileSize: 0,
    memorySize: 0,
    alignment: 16,
  });
  file.set(code, start);
  file.set(rest, behind);
  goOnAt(file.subarray(start), ADDRESS + behind);
  return file;
}
