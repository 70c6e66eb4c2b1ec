// The static executable's file: the program, the new segments behind it, and its program headers. gABI 5, "Program
// Header".
import { alignUp, toHex, viewOf, writeAddress } from "./bytes.ts";
import { headerField, recordSize, type Segment, segmentFlag, segmentType, writeSegment } from "./elf.ts";
import type { Images } from "./images.ts";
import type { Layout } from "./layout.ts";
import { endOfProgram, type Program } from "./program.ts";
import type { ThreadPlan } from "./threads.ts";

/** File offset of the first new segment: behind all that the program loads, at a page like its address. */
function newSegmentsOffset(program: Program): number {
  return alignUp(endOfProgram(program).file, program.machine.pageSize);
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
      fileSize: data.fileEnd - data.address,
      memorySize: data.end - data.address,
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
  const enlarged = new Uint8Array(newSegmentsOffset(program) + layout.data.fileEnd - layout.text.address);
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
