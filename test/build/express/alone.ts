// The code of src/build/express as an executable of its own, which ends with HANDED_OVER where it would go on to Bun.
import { writeFileSync } from "node:fs";
import { headerField, recordSize, segmentFlag, segmentType, writeSegment } from "../../../src/build/elf.ts";
import { goOnAt, loadExpress } from "../../../src/build/express.ts";
import { writeAddress } from "../../../src/build/bytes.ts";

export const HANDED_OVER = 99;

/** Only this CPU has the code of the end below. */
export const canRun = process.platform === "linux" && process.arch === "x64";

// mov $231, %eax (exit_group); mov $99, %edi; syscall
const end = Uint8Array.of(0xb8, 231, 0, 0, 0, 0xbf, HANDED_OVER, 0, 0, 0, 0x0f, 0x05);

const ADDRESS = 0x400000;

/** Writes it to a file. */
export function writeAlone(path: string): void {
  const code = loadExpress("x64");
  const start = 128;
  const file = new Uint8Array(start + code.length + end.length);
  const view = new DataView(file.buffer);
  // gABI 4, "ELF Header": the magic number, 64 bit, little-endian, version 1; an executable for x86-64.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(headerField.type, 2, true);
  view.setUint16(headerField.machine, 62, true);
  view.setUint32(20, 1, true);
  writeAddress(view, headerField.entry, ADDRESS + start);
  writeAddress(view, headerField.segmentsOffset, recordSize.header);
  view.setUint16(52, recordSize.header, true);
  view.setUint16(54, recordSize.segment, true);
  view.setUint16(headerField.segmentCount, 1, true);
  writeSegment(view, recordSize.header, {
    type: segmentType.load,
    flags: segmentFlag.read | segmentFlag.execute,
    offset: 0,
    address: ADDRESS,
    fileSize: file.length,
    memorySize: file.length,
    alignment: 4096,
  });
  file.set(code, start);
  file.set(end, start + code.length);
  goOnAt(file.subarray(start), ADDRESS + start + code.length);
  writeFileSync(path, file, { mode: 0o755 });
}
