// Builds small dynamically linked executables by hand, of the shape that `bun build --compile` writes for musl. gABI 5.
import { elfHeader, relocationRecord, strings, symbolRecord } from "./objects.ts";

export interface ProgramSymbolSpec {
  readonly name: string;
  /** Defined in the program, at `value`. */
  readonly defined?: boolean;
  /** STB_GLOBAL unless given. */
  readonly binding?: number;
  readonly type?: number;
  readonly value?: number;
  readonly size?: number;
}

export interface ProgramRelocationSpec {
  readonly type: number;
  /** Empty for none. */
  readonly symbol: string;
  readonly addend?: number;
  /** The word of the data segment that it writes; see `wordAddress`. */
  readonly word: number;
}

export interface ProgramSpec {
  /** e_machine: x86-64 unless given. */
  readonly machine?: number;
  /** e_type: ET_EXEC unless given. */
  readonly type?: number;
  readonly symbols?: readonly ProgramSymbolSpec[];
  readonly relocations?: readonly ProgramRelocationSpec[];
  /** Added to the dynamic section. */
  readonly tags?: readonly (readonly [number, number])[];
  /** d_tag of entries that are left out. */
  readonly withoutTags?: readonly number[];
  /** p_type of segments that are left out. */
  readonly without?: readonly number[];
  /** Types of segments that are added, empty. */
  readonly added?: readonly number[];
  readonly threadAlignment?: number;
  readonly threadMemory?: number;
}

export const programBase = 0x400000;
const page = 0x10000;
/** The thread-local segment's initial content: 0x10 bytes at the start of the data segment. */
export const threadContent = Buffer.from("thread-local data");
const threadFileSize = 16;
const dataAddress = programBase + page;
const dynamicOffset = 0x100;
const wordsOffset = 0x400;
export const dataSize = 0x800;
/** The end of the program in memory: 0x100 zero bytes behind the data. */
export const programEnd = dataAddress + dataSize + 0x100;

export function wordAddress(word: number): number {
  return dataAddress + wordsOffset + word * 8;
}

/** The file offset of a word of the data segment. */
export function wordOffset(word: number): number {
  return page + wordsOffset + word * 8;
}

export function buildProgram(spec: ProgramSpec = {}): Uint8Array {
  const symbols = spec.symbols ?? [];
  const relocations = spec.relocations ?? [];
  const names = strings(["libc.so", ...symbols.map((symbol) => symbol.name)]);
  const symbolTable = Buffer.concat([
    new Uint8Array(24),
    ...symbols.map((symbol) => {
      const info = ((symbol.binding ?? 1) << 4) | (symbol.type ?? 0);
      return symbolRecord(
        names.at(symbol.name),
        info,
        symbol.defined === true ? 1 : 0,
        symbol.value ?? 0,
        symbol.size ?? 0,
      );
    }),
  ]);
  const hash = Buffer.alloc(8);
  hash.writeUInt32LE(symbols.length + 1, 4);
  const relocationTable = Buffer.concat(
    relocations.map(({ type, symbol, addend, word }) =>
      relocationRecord(wordAddress(word), type, symbols.findIndex(({ name }) => name === symbol) + 1, addend ?? 0),
    ),
  );

  const file = Buffer.alloc(page + dataSize);
  let at = 0x400;
  const put = (bytes: Uint8Array) => {
    file.set(bytes, at);
    at += bytes.length;
    return programBase + at - bytes.length;
  };
  const all: (readonly [number, number])[] = [
    [1, names.at("libc.so")],
    [4, put(hash)],
    [5, put(names.bytes)],
    [6, put(symbolTable)],
    [7, put(relocationTable)],
    [8, relocationTable.length],
    ...(spec.tags ?? []),
    [0, 0],
  ];
  const tags = all.filter(([tag]) => spec.withoutTags?.includes(tag) !== true);
  const elf = elfHeader(spec.type ?? 2, spec.machine ?? 62);
  tags.forEach(([tag, value], index) => {
    file.writeBigUInt64LE(BigInt(tag), page + dynamicOffset + index * 16);
    file.writeBigUInt64LE(BigInt(value), page + dynamicOffset + index * 16 + 8);
  });
  // So that a test sees what is written, zeroes too.
  file.fill(0xaa, page + wordsOffset);
  file.set(threadContent.subarray(0, threadFileSize), page);

  // p_type, p_flags, p_offset, p_vaddr, p_filesz, p_memsz, p_align
  const segments = [
    [6, 4, 64, programBase + 64, 0, 0, 8],
    [3, 4, 0x300, programBase + 0x300, 1, 1, 1],
    [1, 4, 0, programBase, page, page, page],
    [1, 6, page, dataAddress, dataSize, dataSize + 0x100, page],
    [7, 4, page, dataAddress, threadFileSize, spec.threadMemory ?? 0x20, spec.threadAlignment ?? 16],
    [2, 6, page + dynamicOffset, dataAddress + dynamicOffset, tags.length * 16, tags.length * 16, 8],
    ...(spec.added ?? []).map((type) => [type, 4, 0, 0, 0, 0, 1]),
  ].filter(([type]) => spec.without?.includes(type!) !== true);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(segments.length, 56);
  file.set(elf);
  segments.forEach(([type, flags, offset, address, fileSize, memorySize, alignment], index) => {
    const record = 64 + index * 56;
    file.writeUInt32LE(type!, record);
    file.writeUInt32LE(flags!, record + 4);
    [offset, address, address, fileSize, memorySize, alignment].forEach((value, field) => {
      file.writeBigUInt64LE(BigInt(value!), record + 8 + field * 8);
    });
  });
  return file;
}
