// The records of ELF64, little-endian, as bytes ⇄ values. Names and numbers are those of the generic ABI ("gABI",
// System V Application Binary Interface, edition 4.1 and its later drafts): chapter 4 "Object Files" has the header,
// sections, symbols and relocations, chapter 5 "Program Loading and Dynamic Linking" has segments and the dynamic array.
import { readAddend, readAddress, readString, viewOf, writeAddress } from "./bytes.ts";

/** gABI 4, "ELF Header": e_type. */
export const fileType = { relocatable: 1, executable: 2, shared: 3 } as const;

/** gABI 5, "Program Header": p_type; the last two from the Linux Standard Base, "Program Header". */
export const segmentType = {
  load: 1,
  dynamic: 2,
  interpreter: 3,
  note: 4,
  headers: 6,
  threadLocal: 7,
  exceptionFrames: 0x6474e550,
  stack: 0x6474e551,
} as const;

/** gABI 5, "Program Header": p_flags. */
export const segmentFlag = { execute: 1, write: 2, read: 4 } as const;

/** gABI 4, "Sections": sh_type. */
export const sectionType = {
  programBits: 1,
  symbolTable: 2,
  stringTable: 3,
  relocationsWithAddend: 4,
  note: 7,
  noBits: 8,
  relocations: 9,
  initArray: 14,
  finiArray: 15,
  preinitArray: 16,
  group: 17,
  extendedIndices: 18,
} as const;

/** gABI 4, "Sections": sh_flags. */
export const sectionFlag = {
  write: 0x1,
  alloc: 0x2,
  execute: 0x4,
  merge: 0x10,
  strings: 0x20,
  infoLink: 0x40,
  group: 0x200,
  threadLocal: 0x400,
} as const;

/** gABI 4, "Special Section Indexes". */
export const sectionIndex = { undefined: 0, absolute: 0xfff1, common: 0xfff2, extended: 0xffff } as const;

/** gABI 4, "Symbol Table": the upper half of st_info. */
export const binding = { local: 0, global: 1, weak: 2 } as const;

/** gABI 4, "Symbol Table": the lower half of st_info; 10 is GNU's (Linux extensions to the gABI, STT_GNU_IFUNC). */
export const symbolType = { section: 3, threadLocal: 6, indirectFunction: 10 } as const;

/** gABI 5, "Dynamic Section": d_tag. The GNU ones are of the Linux Standard Base, "Additional Dynamic Entries". */
export const dynamicTag = {
  end: 0,
  needed: 1,
  slotRelocationsSize: 2,
  globalOffsetTable: 3,
  hash: 4,
  strings: 5,
  symbols: 6,
  relocations: 7,
  relocationsSize: 8,
  relocationSize: 9,
  stringsSize: 10,
  symbolSize: 11,
  init: 12,
  fini: 13,
  slotRelocationType: 20,
  debug: 21,
  slotRelocations: 23,
  initArray: 25,
  finiArray: 26,
  initArraySize: 27,
  finiArraySize: 28,
  gnuHash: 0x6ffffef5,
  versionSymbols: 0x6ffffff0,
  versionDefinitions: 0x6ffffffc,
  versionDefinitionCount: 0x6ffffffd,
} as const;

/** Sizes of the records in bytes. gABI 4 "ELF Header", "Sections", "Symbol Table", "Relocation"; 5 "Program Header". */
export const recordSize = { header: 64, segment: 56, section: 64, symbol: 24, relocation: 24, dynamic: 16 } as const;

/** Where the fields of the ELF header lie that are read or written here. gABI 4, "ELF Header", Elf64_Ehdr. */
export const headerField = {
  type: 16,
  machine: 18,
  version: 20,
  entry: 24,
  segmentsOffset: 32,
  sectionsOffset: 40,
  headerSize: 52,
  segmentSize: 54,
  segmentCount: 56,
  sectionSize: 58,
  sectionCount: 60,
  sectionNames: 62,
} as const;

export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

export interface ElfSymbol {
  readonly name: string;
  readonly binding: number;
  readonly type: number;
  /** Index of the section that defines it, or one of `sectionIndex`. */
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

export interface Relocation {
  readonly offset: number;
  readonly type: number;
  /** Index into the symbol table. */
  readonly symbol: number;
  readonly addend: number;
}

/** @throws Error unless the bytes begin as a 64-bit little-endian ELF file of the type `expected`. */
export function checkHeader(bytes: Uint8Array, expected: number): void {
  const view = viewOf(bytes);
  // e_ident: the magic number, ELFCLASS64, ELFDATA2LSB.
  if (bytes.length < recordSize.header || view.getUint32(0) !== 0x7f454c46) throw new Error("this is no ELF file");
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new Error("this is no 64-bit little-endian ELF file");
  const type = view.getUint16(headerField.type, true);
  if (type === expected) return;
  const hint = type === fileType.shared ? ": position-independent executables have no fixed addresses" : "";
  throw new Error(`the ELF type is ${type} where ${expected} is expected${hint}`);
}

export function readSegment(view: DataView, at: number): Segment {
  return {
    type: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    offset: readAddress(view, at + 8),
    address: readAddress(view, at + 16),
    fileSize: readAddress(view, at + 32),
    memorySize: readAddress(view, at + 40),
    alignment: readAddress(view, at + 48),
  };
}

export function writeSegment(view: DataView, at: number, segment: Segment): void {
  view.setUint32(at, segment.type, true);
  view.setUint32(at + 4, segment.flags, true);
  writeAddress(view, at + 8, segment.offset);
  writeAddress(view, at + 16, segment.address);
  // p_paddr: not used on Linux, the same as p_vaddr by custom.
  writeAddress(view, at + 24, segment.address);
  writeAddress(view, at + 32, segment.fileSize);
  writeAddress(view, at + 40, segment.memorySize);
  writeAddress(view, at + 48, segment.alignment);
}

/** The symbol table at file offset `at`, with its strings at `strings`. */
export function readSymbols(bytes: Uint8Array, at: number, count: number, strings: number): ElfSymbol[] {
  const view = viewOf(bytes);
  return Array.from({ length: count }, (_, index) => {
    const entry = at + index * recordSize.symbol;
    const info = view.getUint8(entry + 4);
    return {
      name: readString(bytes, strings + view.getUint32(entry, true)),
      binding: info >> 4,
      type: info & 15,
      section: view.getUint16(entry + 6, true),
      value: readAddress(view, entry + 8),
      size: readAddress(view, entry + 16),
    };
  });
}

/** Relocations with addends, `size` bytes of them. */
export function readRelocations(bytes: Uint8Array, at: number, size: number): Relocation[] {
  const view = viewOf(bytes);
  return Array.from({ length: size / recordSize.relocation }, (_, index) => {
    const entry = at + index * recordSize.relocation;
    return {
      offset: readAddress(view, entry),
      type: view.getUint32(entry + 8, true),
      symbol: view.getUint32(entry + 12, true),
      addend: readAddend(view, entry + 16),
    };
  });
}
