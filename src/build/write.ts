// The static executable's file: the program, the new segments behind it, and its program headers. gABI 5, "Program
// Header".
import { alignUp, toHex, viewOf, writeAddress } from "./bytes.ts";
import {
  type ElfSymbol,
  headerField,
  recordSize,
  type Relocation,
  sectionType,
  type Segment,
  segmentFlag,
  segmentType,
  writeSegment,
} from "./elf.ts";
import { gotKey, type Layout, type Placed, type ThreadPlan } from "./layout.ts";
import { endOfProgram, fileOffset, type Program } from "./program.ts";
import type { Addresses } from "./addresses.ts";
import type { Machine } from "./machine.ts";

/** File offset of the first new segment: behind all that the program loads, at a page like its address. */
function newSegmentsOffset(program: Program): number {
  return alignUp(endOfProgram(program).file, program.machine.pageSize);
}

/** Bytes: of most kernels. */
const PAGE = 4096;

/** Up to where the data is in the file. A page that the file fills in part costs each start a fault, to zero its rest. */
function writtenEnd({ fileEnd, end }: Layout["data"]): number {
  return fileEnd < end ? alignUp(fileEnd, PAGE) : fileEnd;
}

/** The program headers of the static executable: no interpreter, no dynamic section, two segments more. */
export function planSegments(program: Program, layout: Layout, threads: ThreadPlan): readonly Segment[] {
  const { text, data, threadContent } = layout;
  const alignment = program.machine.pageSize;
  const textOffset = newSegmentsOffset(program);
  const offsetOf = (address: number) => textOffset + address - text.address;
  const added: Segment[] = [
    {
      type: segmentType.load,
      flags: segmentFlag.read | segmentFlag.execute,
      offset: textOffset,
      address: text.address,
      fileSize: text.end - text.address,
      memorySize: text.end - text.address,
      alignment,
    },
    {
      type: segmentType.load,
      flags: segmentFlag.read | segmentFlag.write,
      offset: offsetOf(data.address),
      address: data.address,
      fileSize: writtenEnd(data) - data.address,
      memorySize: Math.max(data.end, writtenEnd(data)) - data.address,
      alignment,
    },
  ];
  const { fileSize, memorySize, alignment: threadAlignment } = threads;
  const kept = program.segments
    .filter(({ type }) => type !== segmentType.interpreter && type !== segmentType.dynamic)
    .map((segment): Segment => {
      if (segment.type !== segmentType.threadLocal) return segment;
      const moved = threadContent === undefined ? {} : { offset: offsetOf(threadContent), address: threadContent };
      return { ...segment, ...moved, fileSize, memorySize, alignment: threadAlignment };
    });
  const afterLoads = kept.findLastIndex(({ type }) => type === segmentType.load) + 1;
  const segments = kept.toSpliced(afterLoads, 0, ...added);
  if (segments.length > program.segments.length) {
    throw new Error(`${segments.length} program headers do not fit where ${program.segments.length} were`);
  }
  checkLoads(segments, alignment);
  const headersSize = segments.length * recordSize.segment;
  return segments.map((segment) =>
    segment.type === segmentType.headers ? { ...segment, fileSize: headersSize, memorySize: headersSize } : segment,
  );
}

/** gABI 5: loadable segments ascend, and address and offset agree modulo the page size. */
function checkLoads(segments: readonly Segment[], pageSize: number): void {
  let end = 0;
  for (const { type, address, offset, memorySize } of segments) {
    if (type !== segmentType.load) continue;
    if (address < end) throw new Error(`the segment at ${toHex(address)} overlaps the one before it`);
    if ((address - offset) % pageSize !== 0)
      throw new Error(`the segment at ${toHex(address)} is not aligned in the file`);
    end = address + memorySize;
  }
}

/** The program's file with room for the new segments, which are still empty. What no segment loads is left out. */
export function enlargeProgram(program: Program, layout: Layout): Uint8Array {
  const { file } = endOfProgram(program);
  const enlarged = new Uint8Array(newSegmentsOffset(program) + writtenEnd(layout.data) - layout.text.address);
  enlarged.set(program.bytes.subarray(0, file));
  return enlarged;
}

export function writeSegments(
  file: Uint8Array,
  program: Program,
  images: Images,
  segments: readonly Segment[],
  entry: number,
): void {
  const view = viewOf(file);
  const textOffset = newSegmentsOffset(program);
  for (const { address, bytes } of [images.text, images.data])
    file.set(bytes, textOffset + address - images.text.address);

  const start = program.segmentsOffset;
  file.fill(0, start, start + program.segments.length * recordSize.segment);
  segments.forEach((segment, index) => writeSegment(view, start + index * recordSize.segment, segment));
  view.setUint16(headerField.segmentCount, segments.length, true);
  writeAddress(view, headerField.entry, entry);

  // No section table: with one, strip(1) would keep what sections name, drop the new segments and destroy the file;
  // without one it refuses.
  writeAddress(view, headerField.sectionsOffset, 0);
  view.setUint16(headerField.sectionSize, recordSize.section, true);
  view.setUint16(headerField.sectionCount, 0, true);
  view.setUint16(headerField.sectionNames, 0, true);
}

// The contents of the two new segments: sections, table of addresses, what the linker makes; then the relocations.

/** A stretch of memory with its content. */
export interface Image {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface Images {
  readonly text: Image;
  readonly data: Image;
}

export function fillImages(program: Program, layout: Layout, threads: ThreadPlan, addresses: Addresses): Images {
  const images = {
    text: { address: layout.text.address, bytes: new Uint8Array(layout.text.end - layout.text.address) },
    data: { address: layout.data.address, bytes: new Uint8Array(layout.data.fileEnd - layout.data.address) },
  };
  for (const { object, section, address } of layout.sections.values()) {
    if (section.type === sectionType.noBits) continue;
    bytesAt(images, address, section.size).set(object.bytes.subarray(section.offset, section.offset + section.size));
  }
  for (const { bytes, address } of layout.synthesized) bytesAt(images, address, bytes.length).set(bytes);
  if (layout.threadContent !== undefined) {
    const { offset, fileSize } = program.threadLocal;
    const own = bytesAt(images, layout.threadContent + threads.shift, fileSize);
    own.set(program.bytes.subarray(offset, offset + fileSize));
  }
  for (const { object, symbol, address } of layout.got.entries.values()) {
    const value = explain(`the table of addresses, wanted by ${object.name}`, () => addresses.ofSymbol(object, symbol));
    writeAddress(viewOf(bytesAt(images, address, 8)), 0, value);
  }
  for (const placed of layout.sections.values()) relocateSection(program.machine, images, layout, addresses, placed);
  return images;
}

/** @throws Error if the bytes are not all in one of the images. */
export function bytesAt(images: Images, address: number, size: number): Uint8Array {
  for (const image of [images.text, images.data]) {
    const offset = address - image.address;
    if (offset >= 0 && offset + size <= image.bytes.length) return image.bytes.subarray(offset, offset + size);
  }
  throw new Error(`no new segment has ${size} bytes at ${toHex(address)}`);
}

function relocateSection(machine: Machine, images: Images, layout: Layout, addresses: Addresses, placed: Placed): void {
  const { object, section } = placed;
  const relocations = object.relocations.get(section.index) ?? [];
  if (relocations.length === 0) return;
  if (section.type === sectionType.noBits)
    throw new Error(`${object.name}: relocations of ${section.name}, which is empty`);
  const view = viewOf(bytesAt(images, placed.address, section.size));
  for (const relocation of relocations) {
    const symbol = object.symbols[relocation.symbol]!;
    const where = `${object.name}: ${section.name}+${toHex(relocation.offset)}, relocation type ${relocation.type}`;
    explain(`${where} to ${nameOf(placed, symbol)}`, () => {
      checkCopied(machine, addresses, placed, relocation);
      machine.relocate({
        view,
        offset: relocation.offset,
        type: relocation.type,
        place: placed.address + relocation.offset,
        symbol: addresses.ofSymbol(object, symbol),
        addend: relocation.addend,
        gotEntry() {
          return layout.got.entries.get(gotKey(symbol))!.address;
        },
      });
    });
  }
}

/** A copied variable lies elsewhere in the end, so nothing in it may depend on where it is. */
function checkCopied(machine: Machine, addresses: Addresses, placed: Placed, { offset, type }: Relocation): void {
  if (type === machine.absoluteType) return;
  for (const { name, size, source } of addresses.copies) {
    if (source.object !== placed.object || source.symbol.section !== placed.section.index) continue;
    const distance = offset - source.symbol.value;
    if (distance >= 0 && distance < size) throw new Error(`the variable ${name} is copied, but depends on its place`);
  }
}

function nameOf({ object }: Placed, symbol: ElfSymbol): string {
  return symbol.name === "" ? (object.sections[symbol.section]?.name ?? "nothing") : symbol.name;
}

/** Says where an error comes from. */
function explain<Result>(where: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Writes what the dynamic loader would have written into the program's own segments. `file` begins as a copy of it. */
export function relocateProgram(
  program: Program,
  file: Uint8Array,
  images: Images,
  threads: ThreadPlan,
  addresses: Addresses,
  layout: Layout,
): void {
  const view = viewOf(file);
  for (const { address, size, source } of addresses.copies) {
    const { address: base, section } = layout.sections.get(source.object.sections[source.symbol.section]!)!;
    const target = fileOffset(program, address, size);
    if (section.type === sectionType.noBits) file.fill(0, target, target + size);
    else file.set(bytesAt(images, base + source.symbol.value, size), target);
  }
  for (const { kind, address, symbol, addend } of program.relocations) {
    if (kind === "copy") continue;
    const value = explain(`the executable's word at ${toHex(address)}`, () => {
      if (kind === "thread") return threadOffset(symbol) + addend;
      // A function whose address the program itself takes has its entry of the procedure linkage table as its address
      // (x86-64 psABI, "Function Addresses"). libc, linked here, sees the function itself; neither compares them.
      const canonical = kind === "pointer" && symbol.section === 0 && symbol.value !== 0;
      const target = canonical ? symbol.value : addresses.ofImport(symbol);
      return target === 0 ? 0 : target + addend;
    });
    writeAddress(view, fileOffset(program, address, 8), value);
  }

  function threadOffset(symbol: ElfSymbol): number {
    const own = symbol.name === "" || symbol.section !== 0;
    return own ? threads.ownOffset(symbol.value) : threads.variables.get(symbol.name)!;
  }
}
