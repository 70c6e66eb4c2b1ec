// The address of every symbol, once everything is placed.
import { toHex } from "./bytes.ts";
import { binding, type ElfSymbol, sectionIndex, symbolType } from "./elf.ts";
import type { Layout } from "./layout.ts";
import type { ObjectFile } from "./object.ts";
import { isDefinedByProgram, type Program } from "./program.ts";
import { type Definition, type Resolution, substituteFor } from "./resolve.ts";
import { absentWeak } from "./substitutes.ts";

/** A variable of a library whose home is the program: its initial content is copied there, and all use it there. */
export interface Copy {
  readonly name: string;
  /** In the program. */
  readonly address: number;
  readonly size: number;
  /** Where the initial content comes from. */
  readonly source: Definition;
}

export interface Addresses {
  readonly copies: readonly Copy[];
  /** Weak names that were asked for and are not defined, all of them known ones. */
  readonly absent: ReadonlySet<string>;
  /** Undefined if the name is not defined. */
  ofName(name: string): number | undefined;
  /** 0 for a known weak symbol that is not defined. @throws Error for any other undefined symbol. */
  ofImport(symbol: ElfSymbol): number;
  /** As seen from inside an object. The addend tells what part of a section is meant. @throws Error as `ofImport`. */
  ofSymbol(object: ObjectFile, symbol: ElfSymbol): number;
}

export function locate(program: Program, resolution: Resolution, layout: Layout): Addresses {
  const { definitions, defined } = resolution;
  const fixed = fixedAddresses(program, layout);
  const copies = findCopies(program, definitions);
  const absent = new Set<string>();

  return { copies, absent, ofName, ofImport, ofSymbol };

  function ofName(wanted: string): number | undefined {
    const name = substituteFor(wanted, defined);
    const definition = definitions.get(name);
    const address = fixed.get(name);
    if (address !== undefined) return address;
    return definition === undefined ? undefined : ofDefinition(definition);
  }

  function ofImport(symbol: ElfSymbol): number {
    const address = ofName(symbol.name);
    if (address !== undefined) return address;
    if (symbol.binding === binding.weak && absentWeak.has(symbol.name)) {
      absent.add(symbol.name);
      return 0;
    }
    const weak = symbol.binding === binding.weak ? "undefined weak symbol:" : "undefined symbol";
    throw new Error(`${weak} ${symbol.name}`);
  }

  function ofSymbol(object: ObjectFile, symbol: ElfSymbol): number {
    if (symbol.binding !== binding.local) return ofImport(symbol);
    // Index 0, the undefined symbol, stands for the value 0. gABI 4, "Symbol Table".
    if (symbol.section === sectionIndex.undefined) return 0;
    if (copies.some(({ source }) => source.object === object && source.symbol.section === symbol.section)) {
      throw new Error(`a local reference into the section of a variable that is copied (${object.name})`);
    }
    return inObject({ object, symbol });
  }

  /** Aliases of a copied variable, and anything inside it, are at the copy too. */
  function ofDefinition(definition: Definition): number {
    const { object, symbol } = definition;
    for (const { source, address, size } of copies) {
      if (source.object !== object || source.symbol.section !== symbol.section) continue;
      const distance = symbol.value - source.symbol.value;
      if (distance >= 0 && distance < size) return address + distance;
    }
    return inObject(definition);
  }

  function inObject({ object, symbol }: Definition): number {
    if (symbol.section === sectionIndex.absolute) return symbol.value;
    const section = object.sections[symbol.section]!;
    const placed = layout.sections.get(section);
    const name = symbol.type === symbolType.section ? section.name : symbol.name;
    if (placed === undefined) throw new Error(`${name} is in ${section.name}, which is left out`);
    return placed.address + symbol.value;
  }
}

/** What the program and the linker define. */
function fixedAddresses(program: Program, layout: Layout): ReadonlyMap<string, number> {
  const { initArray, finiArray, init, fini } = program;
  const fixed = new Map<string, number>();
  for (const symbol of program.symbols) {
    if (isDefinedByProgram(symbol)) fixed.set(symbol.name, symbol.value);
  }
  for (const { name, address } of layout.synthesized) fixed.set(name, address);
  // What GNU ld's scripts provide; musl's start and exit run the program's constructors through them.
  fixed.set("__init_array_start", initArray.start);
  fixed.set("__init_array_end", initArray.end);
  fixed.set("__fini_array_start", finiArray.start);
  fixed.set("__fini_array_end", finiArray.end);
  if (init !== undefined) fixed.set("_init", init);
  if (fini !== undefined) fixed.set("_fini", fini);
  fixed.set("_GLOBAL_OFFSET_TABLE_", layout.got.address);
  // A null handle stands for the program itself (Itanium C++ ABI, 3.3.6 "DSO Object Destruction API").
  fixed.set("__dso_handle", 0);
  return fixed;
}

function findCopies(program: Program, definitions: ReadonlyMap<string, Definition>): readonly Copy[] {
  return program.relocations
    .filter(({ kind }) => kind === "copy")
    .map(({ address, symbol: { name, size } }) => {
      const source = definitions.get(name);
      if (source === undefined) throw new Error(`the variable ${name} at ${toHex(address)} is not defined`);
      if (source.symbol.size !== size) {
        throw new Error(`the variable ${name} has ${source.symbol.size} bytes, its copy in the executable ${size}`);
      }
      return { name, address, size, source };
    });
}
