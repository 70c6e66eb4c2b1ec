// Mach-O executables of 64 bits, as far as replacing their signature needs. Names and numbers: Apple's loader.h.
import { readAddress, readString, viewOf } from "./bytes.ts";

/** MH_MAGIC_64, read as little-endian. */
const magic = 0xfeedfacf;
/** MH_EXECUTE. */
const executableType = 2;
const commandNumber = { segment: 0x19 /* LC_SEGMENT_64 */, signature: 0x1d /* LC_CODE_SIGNATURE */ } as const;

/** struct mach_header_64. */
const headerField = { magic: 0, fileType: 12, commandCount: 16, size: 32 } as const;
/** struct segment_command_64. */
const segmentField = { name: 8, address: 24, memorySize: 32, offset: 40, size: 48 } as const;
/** struct linkedit_data_command. */
const dataField = { offset: 8, size: 12 } as const;

/** Of segments in memory: the pages of arm64 (16 KiB), of which those of x64 are a part. */
const segmentAlignment = 0x4000;

export interface Segment {
  readonly name: string;
  readonly address: number;
  readonly memorySize: number;
  readonly offset: number;
  readonly size: number;
  /** Where its load command is. */
  readonly command: number;
}

export interface MachO {
  readonly segments: readonly Segment[];
  readonly signature: { readonly offset: number; readonly size: number; readonly command: number };
}

/** @throws Error that says what about the executable is not as it must be to be signed here. */
export function readMachO(bytes: Uint8Array): MachO {
  const view = viewOf(bytes);
  if (view.getUint32(headerField.magic, true) !== magic) throw new Error("this is no Mach-O file of 64 bits");
  if (view.getUint32(headerField.fileType, true) !== executableType) throw new Error("this is no executable");
  const segments: Segment[] = [];
  const signatures: MachO["signature"][] = [];
  let command: number = headerField.size;
  for (let left = view.getUint32(headerField.commandCount, true); left > 0; left -= 1) {
    const number = view.getUint32(command, true);
    if (number === commandNumber.segment) segments.push(readSegment(bytes, command));
    if (number === commandNumber.signature) {
      const offset = view.getUint32(command + dataField.offset, true);
      signatures.push({ offset, size: view.getUint32(command + dataField.size, true), command });
    }
    command += view.getUint32(command + 4, true);
  }
  const [signature] = signatures;
  if (signature === undefined || signatures.length > 1) throw new Error("the executable has not one signature");
  return { segments, signature };
}

function readSegment(bytes: Uint8Array, command: number): Segment {
  const view = viewOf(bytes);
  return {
    // At most sixteen bytes; no name that matters here fills them, so each ends with a zero.
    name: readString(bytes, command + segmentField.name),
    address: readAddress(view, command + segmentField.address),
    memorySize: readAddress(view, command + segmentField.memorySize),
    offset: readAddress(view, command + segmentField.offset),
    size: readAddress(view, command + segmentField.size),
    command,
  };
}

/** @throws Error if there is none of that name. */
export function findSegment({ segments }: MachO, name: string): Segment {
  const segment = segments.find((candidate) => candidate.name === name);
  if (segment === undefined) throw new Error(`the executable has no segment ${name}`);
  return segment;
}

/**
 * A copy with room for a signature of this size instead of the one that is there, all zeros; the load commands say so.
 * @throws Error unless the signature ends the file, in a segment after which nothing comes in memory either.
 */
export function makeRoom(bytes: Uint8Array, size: number): Uint8Array {
  const file = readMachO(bytes);
  const { signature } = file;
  const linkEdit = findSegment(file, "__LINKEDIT");
  const isLast = file.segments.every(({ address }) => address <= linkEdit.address);
  const end = signature.offset + signature.size;
  if (!isLast || end !== bytes.length || linkEdit.offset + linkEdit.size !== end) {
    throw new Error("the executable does not end with its signature");
  }
  const result = new Uint8Array(signature.offset + size);
  result.set(bytes.subarray(0, signature.offset));
  const view = viewOf(result);
  view.setUint32(signature.command + dataField.size, size, true);
  const fileSize = result.length - linkEdit.offset;
  view.setBigUint64(linkEdit.command + segmentField.size, BigInt(fileSize), true);
  if (fileSize > linkEdit.memorySize) {
    const rounded = Math.ceil(fileSize / segmentAlignment) * segmentAlignment;
    view.setBigUint64(linkEdit.command + segmentField.memorySize, BigInt(rounded), true);
  }
  return result;
}
