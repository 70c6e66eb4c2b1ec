// Builds small relocatable objects by hand, independently of the reader under test. gABI 4.
import type { Member } from "../../src/build/archive.ts";

export interface SectionSpec {
  readonly name: string;
  /** SHT_PROGBITS unless given. */
  readonly type?: number;
  /** SHF_ALLOC | SHF_EXECINSTR unless given. */
  readonly flags?: number;
  readonly content?: Uint8Array;
  /** Instead of content, for SHT_NOBITS. */
  readonly size?: number;
  readonly alignment?: number;
  readonly info?: number;
  readonly relocations?: readonly RelocationSpec[];
}

export interface RelocationSpec {
  readonly offset?: number;
  readonly type: number;
  readonly symbol: string;
  readonly addend?: number;
}

export interface SymbolSpec {
  readonly name: string;
  /** Name of its section; undefined symbol if absent. A number stands for a special index. */
  readonly section?: string | number;
  /** STB_GLOBAL unless given. */
  readonly binding?: number;
  readonly type?: number;
  readonly value?: number;
  readonly size?: number;
}

export interface ObjectSpec {
  /** e_machine: x86-64 unless given. */
  readonly machine?: number;
  /** e_type: ET_REL unless given. */
  readonly type?: number;
  readonly sections?: readonly SectionSpec[];
  readonly symbols?: readonly SymbolSpec[];
}

interface Header {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly content: Uint8Array;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly alignment: number;
  readonly entrySize: number;
}

/** A string table, and where each string begins in it. */
export function strings(names: readonly string[]): {
  readonly bytes: Uint8Array;
  readonly at: (name: string) => number;
} {
  const offsets = new Map<string, number>([["", 0]]);
  let text = "\0";
  for (const name of names) {
    if (offsets.has(name)) continue;
    offsets.set(name, text.length);
    text += `${name}\0`;
  }
  return { bytes: Buffer.from(text, "latin1"), at: (name) => offsets.get(name)! };
}

/** One Elf64_Sym. */
export function symbolRecord(name: number, info: number, section: number, value: number, size: number): Uint8Array {
  const record = Buffer.alloc(24);
  record.writeUInt32LE(name, 0);
  record[4] = info;
  record.writeUInt16LE(section, 6);
  record.writeBigUInt64LE(BigInt(value), 8);
  record.writeBigUInt64LE(BigInt(size), 16);
  return record;
}

/** One Elf64_Rela. */
export function relocationRecord(offset: number, type: number, symbol: number, addend: number): Uint8Array {
  const record = Buffer.alloc(24);
  record.writeBigUInt64LE(BigInt(offset), 0);
  record.writeUInt32LE(type, 8);
  record.writeUInt32LE(symbol, 12);
  record.writeBigInt64LE(BigInt(addend), 16);
  return record;
}

/** A 32-bit little-endian word each. */
export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function buildObject(name: string, spec: ObjectSpec): Member {
  const sections = spec.sections ?? [];
  const symbols = spec.symbols ?? [];
  const indexOf = (section: string | number | undefined) => {
    if (typeof section === "number") return section;
    return section === undefined ? 0 : sections.findIndex((candidate) => candidate.name === section) + 1;
  };
  const symbolIndex = (wanted: string) => symbols.findIndex((symbol) => symbol.name === wanted) + 1;
  const symbolNames = strings(symbols.map((symbol) => symbol.name));
  const symbolTable = Buffer.concat([
    new Uint8Array(24),
    ...symbols.map((symbol) => {
      const info = ((symbol.binding ?? 1) << 4) | (symbol.type ?? 0);
      const index = indexOf(symbol.section);
      return symbolRecord(symbolNames.at(symbol.name), info, index, symbol.value ?? 0, symbol.size ?? 0);
    }),
  ]);
  const tableIndex = sections.length + 1;

  const empty: Header = header("", 0, new Uint8Array());
  const headers: Header[] = [
    empty,
    ...sections.map((section): Header => {
      const content = section.content ?? new Uint8Array();
      return {
        ...header(section.name, section.type ?? 1, content),
        flags: section.flags ?? 6,
        size: section.size ?? content.length,
        link: section.type === 17 ? tableIndex : 0,
        info: section.info ?? 0,
        alignment: section.alignment ?? 1,
      };
    }),
    { ...header(".symtab", 2, symbolTable), link: tableIndex + 1, entrySize: 24 },
    header(".strtab", 3, symbolNames.bytes),
  ];
  sections.forEach((section, at) => {
    if (section.relocations === undefined) return;
    const records = section.relocations.map((relocation) =>
      relocationRecord(relocation.offset ?? 0, relocation.type, symbolIndex(relocation.symbol), relocation.addend ?? 0),
    );
    const rela = header(`.rela${section.name}`, 4, Buffer.concat(records));
    headers.push({ ...rela, link: tableIndex, info: at + 1, entrySize: 24 });
  });
  return { name, bytes: objectBytes(headers, spec) };
}

function header(name: string, type: number, content: Uint8Array): Header {
  return { name, type, flags: 0, content, size: content.length, link: 0, info: 0, alignment: 1, entrySize: 0 };
}

function objectBytes(sections: readonly Header[], spec: ObjectSpec): Uint8Array {
  const names = strings([...sections.map((section) => section.name), ".shstrtab"]);
  const headers = [...sections, header(".shstrtab", 3, names.bytes)];
  const chunks: Uint8Array[] = [];
  let at = 64;
  const records = headers.map((section) => {
    const record = Buffer.alloc(64);
    record.writeUInt32LE(names.at(section.name), 0);
    record.writeUInt32LE(section.type, 4);
    const { flags, size, alignment, entrySize } = section;
    for (const [offset, value] of [
      [8, flags],
      [24, at],
      [32, size],
      [48, alignment],
      [56, entrySize],
    ] as const) {
      record.writeBigUInt64LE(BigInt(value), offset);
    }
    record.writeUInt32LE(section.link, 40);
    record.writeUInt32LE(section.info, 44);
    chunks.push(section.content);
    at += section.content.length;
    return record;
  });
  const elf = elfHeader(spec.type ?? 1, spec.machine ?? 62);
  elf.writeBigUInt64LE(BigInt(at), 40);
  elf.writeUInt16LE(headers.length, 60);
  elf.writeUInt16LE(headers.length - 1, 62);
  return Buffer.concat([elf, ...chunks, ...records]);
}

/** An ELF header without tables. */
export function elfHeader(type: number, machine: number): Buffer {
  const elf = Buffer.alloc(64);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeUInt16LE(type, 16);
  elf.writeUInt16LE(machine, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(64, 58);
  return elf;
}
