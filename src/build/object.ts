// A relocatable object: a member of an archive. gABI 4, "Sections", "Symbol Table", "Relocation".
import { readAddress, readString, viewOf } from "./bytes.ts";
import {
  binding,
  checkHeader,
  type ElfSymbol,
  fileType,
  headerField,
  readRelocations,
  readSymbols,
  recordSize,
  type Relocation,
  sectionFlag,
  sectionIndex,
  sectionType,
  symbolType,
} from "./elf.ts";
import type { Member } from "./archive.ts";

export interface Section {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly alignment: number;
}

/** A COMDAT group: of all groups with one signature, a program holds one. gABI 4, "Section Groups". */
export interface Group {
  readonly signature: string;
  /** Indices of its sections. */
  readonly sections: readonly number[];
}

export interface ObjectFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly symbols: readonly ElfSymbol[];
  /** By the index of the section that they change. */
  readonly relocations: ReadonlyMap<number, readonly Relocation[]>;
  readonly groups: readonly Group[];
}

/** gABI 4, "Section Groups": GRP_COMDAT. */
const groupIsComdat = 1;

/** @throws Error that names the member, if it is not an object for the CPU `machine` (e_machine). */
export function readObject(member: Member, machine: number): ObjectFile {
  try {
    return parse(member, machine);
  } catch (error) {
    throw new Error(`${member.name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function parse({ name, bytes }: Member, machine: number): ObjectFile {
  checkHeader(bytes, fileType.relocatable);
  const found = viewOf(bytes).getUint16(headerField.machine, true);
  if (found !== machine) throw new Error(`it is for machine ${found}, not ${machine}`);
  const sections = readSections(bytes);
  const tables = sections.filter((section) => section.type === sectionType.symbolTable);
  if (tables.length > 1) throw new Error("it has more than one symbol table");
  const [table] = tables;
  const symbols =
    table === undefined
      ? []
      : readSymbols(bytes, table.offset, table.size / recordSize.symbol, sections[table.link]!.offset);
  return { name, bytes, sections, symbols, relocations: readTables(bytes, sections), groups: readGroups() };

  function readGroups(): Group[] {
    const view = viewOf(bytes);
    return sections
      .filter((section) => section.type === sectionType.group)
      .map((section) => {
        const words = Array.from({ length: section.size / 4 }, (_, at) =>
          view.getUint32(section.offset + at * 4, true),
        );
        if (words[0] !== groupIsComdat) throw new Error(`the section group ${section.name} is not COMDAT`);
        return { signature: symbols[section.info]!.name, sections: words.slice(1) };
      });
  }
}

function readSections(bytes: Uint8Array): Section[] {
  const view = viewOf(bytes);
  const table = readAddress(view, headerField.sectionsOffset);
  const count = view.getUint16(headerField.sectionCount, true);
  const names = table + view.getUint16(headerField.sectionNames, true) * recordSize.section;
  const strings = readAddress(view, names + 24);
  return Array.from({ length: count }, (_, index) => {
    const entry = table + index * recordSize.section;
    return {
      index,
      name: readString(bytes, strings + view.getUint32(entry, true)),
      type: view.getUint32(entry + 4, true),
      flags: readAddress(view, entry + 8),
      offset: readAddress(view, entry + 24),
      size: readAddress(view, entry + 32),
      link: view.getUint32(entry + 40, true),
      info: view.getUint32(entry + 44, true),
      alignment: readAddress(view, entry + 48),
    };
  });
}

function readTables(bytes: Uint8Array, sections: readonly Section[]): ReadonlyMap<number, readonly Relocation[]> {
  const tables = new Map<number, readonly Relocation[]>();
  for (const section of sections) {
    // Without addends they would be in the sections' bytes; neither CPU's psABI uses that.
    if (section.type === sectionType.relocations) throw new Error(`${section.name}: relocations without addends`);
    if (section.type !== sectionType.relocationsWithAddend) continue;
    if (tables.has(section.info)) throw new Error(`${section.name}: a second table of relocations`);
    tables.set(section.info, readRelocations(bytes, section.offset, section.size));
  }
  return tables;
}

/**
 * Whether the program needs the section in memory. Notes are for tools; tables for unwinding are left out because
 * Bun is built without exceptions, and whatever would throw ends in abort (substitutes.ts).
 */
export function isLoaded(section: Section): boolean {
  if ((section.flags & sectionFlag.alloc) === 0 || section.type === sectionType.note) return false;
  return section.name !== ".eh_frame" && !section.name.startsWith(".gcc_except_table");
}

// What a member may not contain: everything that this linker has no code for. Each stops the build, so that a new
// version of Bun, musl or GCC cannot give a file that only looks right.

/** SHF_MERGE and SHF_STRINGS allow a linker to drop duplicates; keeping them is correct. */
const knownFlags =
  sectionFlag.write |
  sectionFlag.alloc |
  sectionFlag.execute |
  sectionFlag.merge |
  sectionFlag.strings |
  sectionFlag.infoLink |
  sectionFlag.group;

const writableCode = sectionFlag.write | sectionFlag.execute;

/** Sections whose content must run before or after main. The program's own are run through its own arrays. */
const constructorTypes: readonly number[] = [sectionType.initArray, sectionType.finiArray, sectionType.preinitArray];
const constructorNames = /^\.(?:init|fini|ctors|dtors|init_array|fini_array|preinit_array)(?:\.|$)/;

/** @throws Error that names the member and what it contains. */
export function refuseUnsupported(object: ObjectFile): void {
  for (const section of object.sections) refuseSection(object, section);
  for (const symbol of object.symbols) {
    const refuse = (what: string) => {
      throw new Error(`${object.name}: ${what} ${symbol.name}, which this linker does not support`);
    };
    if (symbol.section === sectionIndex.common) refuse("COMMON symbol");
    if (symbol.section === sectionIndex.extended) refuse("extended section index of");
    if (symbol.type === symbolType.indirectFunction) refuse("indirect function");
    if (symbol.type === symbolType.threadLocal) refuse("thread-local symbol");
    if (symbol.binding > binding.weak) refuse(`binding ${symbol.binding} of`);
  }
}

function refuseSection(object: ObjectFile, section: Section): void {
  const refuse = (what: string) => {
    throw new Error(`${object.name}: ${what} (${section.name}), which this linker does not support`);
  };
  if (section.type === sectionType.extendedIndices) refuse("extended section indices");
  if (!isLoaded(section)) return;
  if ((section.flags & sectionFlag.threadLocal) !== 0) refuse("thread-local data");
  if (constructorTypes.includes(section.type) || constructorNames.test(section.name)) refuse("constructors");
  if (section.type !== sectionType.programBits && section.type !== sectionType.noBits) {
    refuse(`section type ${section.type}`);
  }
  if ((section.flags & writableCode) === writableCode) refuse("writable code");
  const unknown = section.flags - (section.flags & knownFlags);
  if (unknown !== 0) refuse(`section flags 0x${unknown.toString(16)}`);
}
