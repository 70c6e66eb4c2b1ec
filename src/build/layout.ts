// Where everything from the archive goes: two new segments above the program, one to read and execute, one to read and
// write. Two, because that is how many program headers the static program no longer needs (write.ts).
import { alignUp, toHex } from "./bytes.ts";
import { binding, type ElfSymbol, sectionFlag, sectionType } from "./elf.ts";
import type { Machine } from "./machine.ts";
import { isLoaded, type ObjectFile, type Section } from "./object.ts";
import { endOfProgram, type Program } from "./program.ts";
import type { Resolution } from "./resolve.ts";
import { onceCall, onceProxy, synthetic, threadVariables } from "./substitutes.ts";

export interface Placed {
  readonly object: ObjectFile;
  readonly section: Section;
  readonly address: number;
}

/** Bytes that the linker makes, with the name under which members find them. */
export interface Synthesized {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly address: number;
}

export interface Layout {
  readonly text: { readonly address: number; readonly end: number };
  /** Up to `fileEnd` the content is in the file, from there to `end` it is zero. */
  readonly data: { readonly address: number; readonly fileEnd: number; readonly end: number };
  readonly sections: ReadonlyMap<Section, Placed>;
  readonly got: { readonly address: number; readonly entries: ReadonlyMap<GotKey, GotEntry> };
  /** Address of the initial content of the thread-local segment; undefined if it stays where it is. */
  readonly threadContent: number | undefined;
  readonly synthesized: readonly Synthesized[];
}

/** One entry per symbol that is reached through the table: globals by name, locals by themselves. */
export type GotKey = string | ElfSymbol;

export interface GotEntry {
  readonly object: ObjectFile;
  readonly symbol: ElfSymbol;
  readonly address: number;
}

const wordSize = 8;
/** Alignment of what the linker makes: enough for code and for any data of 16 bytes. */
const synthesizedAlignment = 16;
/** A cache line, so that copying the content to a new thread touches no more lines than needed. */
const threadContentAlignment = 64;

export function layOut(
  program: Program,
  { objects, replaced }: Resolution,
  threads: ThreadPlan,
  express?: Uint8Array,
): Layout {
  const { machine } = program;
  const kept = objects.flatMap((object) =>
    object.sections
      .filter((section) => isLoaded(section) && !replaced.get(object)!.has(section.index))
      .map((section) => ({ object, section })),
  );
  const sections = new Map<Section, Placed>();
  let at = alignUp(endOfProgram(program).memory, machine.pageSize);
  const textAddress = at;

  place((flags) => (flags & sectionFlag.execute) !== 0);
  place((flags) => (flags & (sectionFlag.execute | sectionFlag.write)) === 0);

  // The table is read-only: everything in it is known now.
  const gotAddress = alignUp(at, synthesizedAlignment);
  const entries = collectGot(machine, kept, gotAddress);
  at = gotAddress + entries.size * wordSize;

  let threadContent: number | undefined;
  if (threads.shift > 0) {
    threadContent = alignUp(at, Math.max(threads.alignment, threadContentAlignment));
    at = threadContent + threads.fileSize;
  }

  const synthesized: Synthesized[] = [];
  const made = synthesize(machine, threads);
  if (express !== undefined) made.push([synthetic.express, express]);
  for (const [name, bytes] of made) {
    at = alignUp(at, synthesizedAlignment);
    synthesized.push({ name, bytes, address: at });
    at += bytes.length;
  }
  const textEnd = at;

  at = alignUp(at, machine.pageSize);
  const dataAddress = at;
  place((flags, type) => (flags & sectionFlag.write) !== 0 && type !== sectionType.noBits);
  const fileEnd = at;
  place((flags, type) => (flags & sectionFlag.write) !== 0 && type === sectionType.noBits);

  return {
    text: { address: textAddress, end: textEnd },
    data: { address: dataAddress, fileEnd, end: at },
    sections,
    got: { address: gotAddress, entries },
    threadContent,
    synthesized,
  };

  function place(belongs: (flags: number, type: number) => boolean): void {
    for (const { object, section } of kept) {
      if (sections.has(section) || !belongs(section.flags, section.type)) continue;
      at = alignUp(at, section.alignment);
      sections.set(section, { object, section, address: at });
      at += section.size;
    }
  }
}

export function gotKey(symbol: ElfSymbol): GotKey {
  return symbol.binding === binding.local ? symbol : symbol.name;
}

function collectGot(
  machine: Machine,
  kept: readonly { readonly object: ObjectFile; readonly section: Section }[],
  address: number,
): ReadonlyMap<GotKey, GotEntry> {
  const entries = new Map<GotKey, GotEntry>();
  for (const { object, section } of kept) {
    for (const { type, symbol: index } of object.relocations.get(section.index) ?? []) {
      const symbol = object.symbols[index]!;
      const key = gotKey(symbol);
      if (!machine.gotTypes.has(type) || entries.has(key)) continue;
      entries.set(key, { object, symbol, address: address + entries.size * wordSize });
    }
  }
  return entries;
}

function synthesize(machine: Machine, threads: ThreadPlan): [string, Uint8Array][] {
  const made: [string, Uint8Array][] = [
    [synthetic.zeroes, new Uint8Array(16)],
    [synthetic.returnZero, machine.returnZero],
  ];
  const once = threads.variables.get(onceCall);
  if (once !== undefined) made.push([onceProxy, machine.callThreadVariable(once)]);
  return made;
}

// The thread-local segment. The program's own code has the distances of its variables from the thread pointer built in,
// so the libraries' variables go to the far side of them: before them where the segment lies below the pointer (x86-64),
// behind them where it lies above (AArch64). "ELF Handling For Thread-Local Storage", variants I and II.

export interface ThreadPlan {
  /** The libraries' variables that the program uses → distance from the thread pointer. */
  readonly variables: ReadonlyMap<string, number>;
  /** Bytes that come before the program's own. Not 0 means that the initial content has to be written anew. */
  readonly shift: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
  /** Distance of the program's own variable at `offset` in its segment from the thread pointer. */
  ownOffset(offset: number): number;
}

/** @throws Error if the program imports a thread-local variable that is not known. */
export function planThreads(program: Program): ThreadPlan {
  const { machine, threadLocal, relocations } = program;
  const imported = relocations
    .filter(({ kind, symbol }) => kind === "thread" && symbol.name !== "" && symbol.section === 0)
    .map(({ symbol }) => symbol.name);
  for (const name of imported) {
    if (!threadVariables.includes(name)) throw new Error(`the executable imports the thread-local variable ${name}`);
  }
  const names = threadVariables.filter((name) => imported.includes(name));
  const size = names.length * wordSize;
  const alignment = Math.max(threadLocal.alignment, wordSize);
  // musl's __init_tls places the segment by its address modulo its alignment; the distances below assume 0.
  if (threadLocal.address % alignment !== 0) {
    throw new Error(`the thread-local segment at ${toHex(threadLocal.address)} is not aligned to ${alignment}`);
  }

  if (machine.thread.segment === "below pointer") {
    const shift = alignUp(size, alignment);
    const memorySize = shift + threadLocal.memorySize;
    const start = -alignUp(memorySize, alignment);
    return {
      variables: new Map(names.map((name, index) => [name, start + index * wordSize])),
      shift,
      fileSize: shift + threadLocal.fileSize,
      memorySize,
      alignment,
      ownOffset: (offset) => start + shift + offset,
    };
  }

  const start = alignUp(machine.thread.gap, alignment);
  const behind = alignUp(threadLocal.memorySize, alignment);
  return {
    variables: new Map(names.map((name, index) => [name, start + behind + index * wordSize])),
    shift: 0,
    fileSize: threadLocal.fileSize,
    memorySize: size === 0 ? threadLocal.memorySize : behind + size,
    alignment,
    ownOffset: (offset) => start + offset,
  };
}
