// Symbol resolution: which members of the archive the program needs, and which of their symbols count.
// gABI 4, "Symbol Table" (binding) and "Section Groups" (COMDAT).
import type { Member } from "./archive.ts";
import { binding, type ElfSymbol, sectionIndex } from "./elf.ts";
import { refuseUnsupported } from "./limits.ts";
import { type ObjectFile, readObject } from "./object.ts";
import { isDefinedByProgram, type Program } from "./program.ts";
import { onceProxy, substitutes, synthetic, threadVariables } from "./substitutes.ts";

export interface Definition {
  readonly object: ObjectFile;
  readonly symbol: ElfSymbol;
}

export interface Resolution {
  /** The needed members in the order of the archive. */
  readonly objects: readonly ObjectFile[];
  readonly definitions: ReadonlyMap<string, Definition>;
  /** Sections of each object that another object's COMDAT group of the same name has replaced. */
  readonly replaced: ReadonlyMap<ObjectFile, ReadonlySet<number>>;
  /** Names that the program defines: they win over the archive, as they do when it is loaded dynamically. */
  readonly defined: ReadonlySet<string>;
}

/** Names that the linker defines for the members (addresses.ts). */
const linkerDefined: readonly string[] = [
  "_GLOBAL_OFFSET_TABLE_",
  "__dso_handle",
  "__init_array_start",
  "__init_array_end",
  "__fini_array_start",
  "__fini_array_end",
  "_init",
  "_fini",
  onceProxy,
  ...threadVariables,
  ...Object.values(synthetic),
];

/** Who wants a name: the program, the list of exports, or an object that is itself wanted through another name. */
interface Wish {
  readonly name: string;
  readonly by: ObjectFile | string;
}

/** The name that stands for `name`: a substitute, unless the program defines it. */
export function substituteFor(name: string, defined: ReadonlySet<string>): string {
  return defined.has(name) ? name : (substitutes.get(name) ?? name);
}

/** @throws Error with every undefined name and the members that lead to it; or with the first duplicate definition. */
export function resolve(program: Program, members: readonly Member[], exports: readonly string[]): Resolution {
  const copied = copiedNames(program);
  const defined = new Set(
    program.symbols.filter((symbol) => isDefinedByProgram(symbol) && !copied.has(symbol.name)).map(({ name }) => name),
  );
  const { machine } = program;
  const objects = members.map((member) => readObject(member, machine.number));
  const definers = indexDefinitions(objects);

  const definitions = new Map<string, Definition>();
  const wishes = new Map<ObjectFile, Wish>();
  const replaced = new Map<ObjectFile, ReadonlySet<number>>();
  const groups = new Set<string>();
  const missing: Wish[] = [];
  const seen = new Set<string>();
  const queue: Wish[] = [...programWishes(program), ...exports.map((name) => ({ name, by: "the list of exports" }))];

  for (let wish = queue.shift(); wish !== undefined; wish = queue.shift()) {
    const name = substituteFor(wish.name, defined);
    if (seen.has(name)) continue;
    seen.add(name);
    if (defined.has(name) || linkerDefined.includes(name) || definitions.has(name)) continue;
    const object = definers.get(name);
    if (object === undefined) missing.push(wish);
    else if (!wishes.has(object)) add(object, wish);
  }
  if (missing.length > 0) {
    throw new Error(
      missing.map(({ name, by }) => `undefined symbol ${name}, wanted by ${chain(by, wishes)}`).join("\n"),
    );
  }
  return { objects: objects.filter((object) => wishes.has(object)), definitions, replaced, defined };

  function add(object: ObjectFile, wish: Wish): void {
    refuseUnsupported(object);
    wishes.set(object, wish);
    const dropped = new Set<number>();
    for (const group of object.groups) {
      if (groups.has(group.signature)) group.sections.forEach((section) => dropped.add(section));
      groups.add(group.signature);
    }
    replaced.set(object, dropped);
    for (const symbol of object.symbols) {
      if (symbol.binding === binding.local || symbol.name === "") continue;
      if (symbol.section === sectionIndex.undefined) {
        if (symbol.binding === binding.global) queue.push({ name: symbol.name, by: object });
      } else if (!dropped.has(symbol.section)) define(object, symbol);
    }
  }

  function define(object: ObjectFile, symbol: ElfSymbol): void {
    if (symbol.binding === binding.global && (defined.has(symbol.name) || linkerDefined.includes(symbol.name))) {
      const other = defined.has(symbol.name) ? "the executable" : "the linker";
      throw new Error(`duplicate definition of ${symbol.name} in ${object.name} and ${other}`);
    }
    const before = definitions.get(symbol.name);
    if (before === undefined || (before.symbol.binding === binding.weak && symbol.binding === binding.global)) {
      definitions.set(symbol.name, { object, symbol });
    } else if (before.symbol.binding === binding.global && symbol.binding === binding.global) {
      throw new Error(`duplicate definition of ${symbol.name} in ${before.object.name} and ${object.name}`);
    }
  }
}

/** Names of variables that live in the program but begin with the library's content (copy relocations). */
function copiedNames(program: Program): ReadonlySet<string> {
  const addresses = new Set(program.relocations.filter(({ kind }) => kind === "copy").map(({ address }) => address));
  return new Set(
    program.symbols
      .filter((symbol) => isDefinedByProgram(symbol) && addresses.has(symbol.value))
      .map(({ name }) => name),
  );
}

function programWishes(program: Program): Wish[] {
  return program.relocations
    .filter(({ kind, symbol }) => {
      if (symbol.name === "" || symbol.binding === binding.weak) return kind === "copy";
      return symbol.section === sectionIndex.undefined || kind === "copy";
    })
    .map(({ symbol }) => ({ name: symbol.name, by: "the executable" }));
}

/** Which object defines a name. The first in the archive, as with any linker. */
function indexDefinitions(objects: readonly ObjectFile[]): ReadonlyMap<string, ObjectFile> {
  const definers = new Map<string, ObjectFile>();
  for (const object of objects) {
    for (const { name, binding: bound, section } of object.symbols) {
      if (bound === binding.local || section === sectionIndex.undefined || name === "") continue;
      if (!definers.has(name)) definers.set(name, object);
    }
  }
  return definers;
}

function chain(by: ObjectFile | string, wishes: ReadonlyMap<ObjectFile, Wish>): string {
  const links: string[] = [];
  for (let next = by; ;) {
    if (typeof next === "string") return [...links, next].join(" ");
    const wish: Wish = wishes.get(next)!;
    links.push(`${next.name} through ${wish.name}, wanted by`);
    next = wish.by;
  }
}
