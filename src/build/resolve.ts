// Symbol resolution: which members of the archive the program needs, and which of their symbols count.
// gABI 4, "Symbol Table" (binding) and "Section Groups" (COMDAT).
import type { Member } from "./archive.ts";
import { binding, type ElfSymbol, sectionIndex } from "./elf.ts";
import { type ObjectFile, readObject, refuseUnsupported } from "./object.ts";
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
  const candidates = members.map((member) => readObject(member, machine.number));
  const wishes = [...programWishes(program), ...exports.map((name) => ({ name, by: "the list of exports" }))];
  const objects = selectNeeded(candidates, wishes, defined);
  const replaced = replacedSections(objects);
  return { objects, definitions: mergeDefinitions(objects, replaced, defined), replaced, defined };
}

/** The objects that define what is wanted, and what they want in turn, in the order of the archive. */
function selectNeeded(
  candidates: readonly ObjectFile[],
  wishes: readonly Wish[],
  defined: ReadonlySet<string>,
): readonly ObjectFile[] {
  const definers = indexDefinitions(candidates);
  const needed = new Map<ObjectFile, Wish>();
  const provided = new Set([...defined, ...linkerDefined]);
  const missing = new Map<string, Wish>();
  const queue = [...wishes];
  for (let wish = queue.shift(); wish !== undefined; wish = queue.shift()) {
    const name = substituteFor(wish.name, defined);
    if (provided.has(name) || missing.has(name)) continue;
    const object = definers.get(name);
    if (object === undefined) {
      missing.set(name, wish);
      continue;
    }
    refuseUnsupported(object);
    needed.set(object, wish);
    for (const symbol of object.symbols) {
      if (symbol.binding === binding.local || symbol.name === "") continue;
      if (symbol.section !== sectionIndex.undefined) provided.add(symbol.name);
      else if (symbol.binding === binding.global) queue.push({ name: symbol.name, by: object });
    }
  }
  if (missing.size > 0) {
    const lines = [...missing.values()].map(
      ({ name, by }) => `undefined symbol ${name}, wanted by ${chain(by, needed)}`,
    );
    throw new Error(lines.join("\n"));
  }
  return candidates.filter((object) => needed.has(object));
}

/** Of COMDAT groups with the same signature the first is kept. */
function replacedSections(objects: readonly ObjectFile[]): ReadonlyMap<ObjectFile, ReadonlySet<number>> {
  const signatures = new Set<string>();
  return new Map(
    objects.map((object) => {
      const again = object.groups.filter(({ signature }) => signatures.has(signature));
      for (const { signature } of object.groups) signatures.add(signature);
      return [object, new Set(again.flatMap(({ sections }) => sections))];
    }),
  );
}

/** A global definition wins over weak ones, the first weak one over the others. gABI 4, "Symbol Table". */
function mergeDefinitions(
  objects: readonly ObjectFile[],
  replaced: ReadonlyMap<ObjectFile, ReadonlySet<number>>,
  defined: ReadonlySet<string>,
): ReadonlyMap<string, Definition> {
  const definitions = new Map<string, Definition>();
  for (const object of objects) {
    for (const symbol of object.symbols) {
      const { name, section } = symbol;
      if (symbol.binding === binding.local || name === "" || section === sectionIndex.undefined) continue;
      if (replaced.get(object)!.has(section)) continue;
      const isGlobal = symbol.binding === binding.global;
      const refuse = (other: string) => {
        throw new Error(`duplicate definition of ${name} in ${other} and ${object.name}`);
      };
      if (isGlobal && defined.has(name)) refuse("the executable");
      if (isGlobal && linkerDefined.includes(name)) refuse("the linker");
      const before = definitions.get(name);
      const wasGlobal = before?.symbol.binding === binding.global;
      if (isGlobal && wasGlobal) refuse(before.object.name);
      if (before === undefined || (isGlobal && !wasGlobal)) definitions.set(name, { object, symbol });
    }
  }
  return definitions;
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
