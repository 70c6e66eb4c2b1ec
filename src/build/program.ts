// The dynamically linked executable that `bun build --compile` writes for musl. gABI 5.
import { aarch64 } from "./aarch64.ts";
import { readAddress, readString, toHex, viewOf } from "./bytes.ts";
import {
  binding,
  checkHeader,
  dynamicTag,
  type ElfSymbol,
  fileType,
  headerField,
  readRelocations,
  readSegment,
  readSymbols,
  recordSize,
  type Segment,
  segmentType,
  symbolType,
} from "./elf.ts";
import type { DynamicKind, Machine } from "./machine.ts";
import { x8664 } from "./x86-64.ts";

export interface ProgramRelocation {
  readonly kind: DynamicKind;
  /** The address of the word to write; of the variable for a copy. */
  readonly address: number;
  readonly symbol: ElfSymbol;
  readonly addend: number;
}

/** An array of function pointers; start and end are equal where there is none. */
export interface FunctionArray {
  readonly start: number;
  readonly end: number;
}

export interface Program {
  readonly bytes: Uint8Array;
  readonly machine: Machine;
  readonly segments: readonly Segment[];
  /** The address where it starts. */
  readonly entry: number;
  /** File offset of the program headers. */
  readonly segmentsOffset: number;
  readonly threadLocal: Segment;
  /** The dynamic symbol table; entry 0 has no name. */
  readonly symbols: readonly ElfSymbol[];
  readonly relocations: readonly ProgramRelocation[];
  /** The shared libraries that it would load. */
  readonly needed: readonly string[];
  readonly init: number | undefined;
  readonly fini: number | undefined;
  readonly initArray: FunctionArray;
  readonly finiArray: FunctionArray;
}

const machines: readonly Machine[] = [x8664, aarch64];
const knownSegments: readonly number[] = Object.values(segmentType);
const knownTags: readonly number[] = Object.values(dynamicTag);

/** @throws Error that says what about the executable is not as this linker knows it. */
export function readProgram(bytes: Uint8Array): Program {
  checkHeader(bytes, fileType.executable);
  const view = viewOf(bytes);
  const number = view.getUint16(headerField.machine, true);
  const machine = machines.find((candidate) => candidate.number === number);
  if (machine === undefined) throw new Error(`the executable is for machine ${number}`);

  const segmentsOffset = readAddress(view, headerField.segmentsOffset);
  const segments = Array.from({ length: view.getUint16(headerField.segmentCount, true) }, (_, index) =>
    readSegment(view, segmentsOffset + index * recordSize.segment),
  );
  for (const { type } of segments) {
    if (!knownSegments.includes(type)) throw new Error(`the executable has a segment of type ${toHex(type)}`);
  }

  const { tags, needed } = readDynamic(view, only(segments, segmentType.dynamic, "dynamic"));
  const required = (tag: keyof typeof dynamicTag) => {
    const value = tags.get(dynamicTag[tag]);
    if (value === undefined) throw new Error(`the executable's dynamic section has no ${tag}`);
    return value;
  };
  const strings = offsetIn(segments, required("strings"), 1);
  // gABI 5, "Hash Table": the second word is the number of chains, which is that of the symbols.
  const symbolCount = view.getUint32(offsetIn(segments, required("hash"), 8) + 4, true);
  const symbolsOffset = offsetIn(segments, required("symbols"), symbolCount * recordSize.symbol);
  const symbols = readSymbols(bytes, symbolsOffset, symbolCount, strings);
  for (const { name, type } of symbols) {
    if (type === symbolType.indirectFunction) throw new Error(`the executable has an indirect function, ${name}`);
  }

  return {
    bytes,
    machine,
    segments,
    entry: readAddress(view, headerField.entry),
    segmentsOffset,
    threadLocal: only(segments, segmentType.threadLocal, "thread-local"),
    symbols,
    relocations: [
      ...readTable("relocations", "relocationsSize"),
      ...readTable("slotRelocations", "slotRelocationsSize"),
    ],
    needed: needed.map((name) => readString(bytes, strings + name)),
    init: tags.get(dynamicTag.init),
    fini: tags.get(dynamicTag.fini),
    initArray: readArray("initArray", "initArraySize"),
    finiArray: readArray("finiArray", "finiArraySize"),
  };

  function readTable(table: keyof typeof dynamicTag, size: keyof typeof dynamicTag): ProgramRelocation[] {
    if (!tags.has(dynamicTag[table])) return [];
    const offset = offsetIn(segments, required(table), required(size));
    return readRelocations(bytes, offset, required(size)).map(({ offset: address, type, symbol, addend }) => {
      const kind = machine!.dynamicKinds.get(type);
      if (kind === undefined) throw new Error(`the executable has a dynamic relocation of type ${type}`);
      return { kind, address, symbol: symbols[symbol]!, addend };
    });
  }

  function readArray(array: keyof typeof dynamicTag, size: keyof typeof dynamicTag): FunctionArray {
    const start = tags.get(dynamicTag[array]) ?? 0;
    return { start, end: start + (tags.get(dynamicTag[size]) ?? 0) };
  }
}

function only(segments: readonly Segment[], type: number, what: string): Segment {
  const [found, ...more] = segments.filter((segment) => segment.type === type);
  if (found === undefined) throw new Error(`the executable has no ${what} segment`);
  if (more.length > 0) throw new Error(`the executable has more than one ${what} segment`);
  return found;
}

function readDynamic(view: DataView, segment: Segment) {
  const tags = new Map<number, number>();
  const needed: number[] = [];
  for (let at = segment.offset; at < segment.offset + segment.fileSize; at += recordSize.dynamic) {
    const tag = readAddress(view, at);
    const value = readAddress(view, at + 8);
    if (tag === dynamicTag.end) break;
    if (!knownTags.includes(tag)) throw new Error(`the executable has the dynamic tag ${toHex(tag)}`);
    if (tag === dynamicTag.needed) needed.push(value);
    else tags.set(tag, value);
  }
  return { tags, needed };
}

function offsetIn(segments: readonly Segment[], address: number, size: number): number {
  for (const segment of segments) {
    if (segment.type !== segmentType.load) continue;
    if (address >= segment.address && address + size <= segment.address + segment.fileSize) {
      return address - segment.address + segment.offset;
    }
  }
  throw new Error(`the address ${toHex(address)} is not in the executable's file`);
}

/** Where `size` bytes at an address lie in the file. @throws Error if they are not all in one segment of the file. */
export function fileOffset(program: Program, address: number, size: number): number {
  return offsetIn(program.segments, address, size);
}

/** Whether the program itself defines a symbol that libraries see. Copied variables count: their home is the program. */
export function isDefinedByProgram(symbol: ElfSymbol): boolean {
  return symbol.name !== "" && symbol.section !== 0 && symbol.binding !== binding.local;
}

/** Where the loaded part of the program ends, in memory and in the file. */
export function endOfProgram(program: Program): { readonly memory: number; readonly file: number } {
  const loads = program.segments.filter((segment) => segment.type === segmentType.load);
  return {
    memory: Math.max(...loads.map((segment) => segment.address + segment.memorySize)),
    file: Math.max(...loads.map((segment) => segment.offset + segment.fileSize)),
  };
}
