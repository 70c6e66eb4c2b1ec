// What a member may not contain: everything that this linker has no code for. Each stops the build, so that a new
// version of Bun, musl or GCC cannot give a file that only looks right.
import { binding, sectionFlag, sectionIndex, sectionType, symbolType } from "./elf.ts";
import { isLoaded, type ObjectFile, type Section } from "./object.ts";

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
