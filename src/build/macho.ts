// Mach-O executables of 64 bits, as far as replacing their signature needs. Names and numbers: Apple's loader.h.
import { createHash } from "node:crypto";
import { alignUp, readAddress, readString, viewOf } from "./bytes.ts";

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

// Ad hoc signatures for macOS, in the form that Apple's linker gives them: a code directory with the hash of every page,
// and no certificate. Names and numbers: cs_blobs.h of Apple's kernel. All numbers are big-endian.
//
// An executable for arm64 does not start on macOS without a signature, and one for x64 does not start with a wrong one.
// Bun signs arm64 in this form itself; on x64 it leaves Oven's own signature, which no longer fits.

/** CSMAGIC_… */
const magicNumber = { embeddedSignature: 0xfade0cc0, codeDirectory: 0xfade0c02 } as const;
/** CSSLOT_CODEDIRECTORY */
const codeDirectorySlot = 0;
/** CS_SUPPORTSEXECSEG: the version that says where the main code is. */
const version = 0x20400;
/** CS_ADHOC | CS_LINKER_SIGNED: no certificate, and codesign(1) may replace it without being forced. */
const flags = 0x2 | 0x20000;
/** CS_HASHTYPE_SHA256 and its CS_SHA256_LEN. */
const hash = { type: 2, size: 32 } as const;
/** CS_EXECSEG_MAIN_BINARY */
const mainBinary = 1;
/** Of one hash: 2^12 bytes on both CPUs. */
const pageShift = 12;
const pageSize = 1 << pageShift;

/** CS_SuperBlob with one CS_BlobIndex. */
const superBlobSize = 20;
/** CS_CodeDirectory up to `execSegFlags`. */
const field = {
  length: 4,
  version: 8,
  flags: 12,
  hashOffset: 16,
  identifierOffset: 20,
  codeSlots: 28,
  codeLimit: 32,
  hashSize: 36,
  hashType: 37,
  pageShift: 39,
  mainCodeLimit: 72,
  mainCodeFlags: 80,
  end: 88,
} as const;

/**
 * A copy whose signature, whatever it was, is an ad hoc one.
 * @param identifier the name under which macOS shows it; ASCII
 * @throws Error for an executable that is not laid out as a linker leaves it
 */
export function sign(executable: Uint8Array, identifier: string): Uint8Array {
  const file = readMachO(executable);
  const codeLimit = file.signature.offset;
  const pages = Math.ceil(codeLimit / pageSize);
  const hashOffset = field.end + identifier.length + 1;
  const directorySize = hashOffset + pages * hash.size;
  const bytes = makeRoom(executable, superBlobSize + directorySize);

  const superBlob = viewOf(bytes.subarray(codeLimit));
  superBlob.setUint32(0, magicNumber.embeddedSignature);
  superBlob.setUint32(4, superBlobSize + directorySize);
  superBlob.setUint32(8, 1);
  superBlob.setUint32(12, codeDirectorySlot);
  superBlob.setUint32(16, superBlobSize);

  const content = bytes.subarray(codeLimit + superBlobSize);
  const directory = viewOf(content);
  directory.setUint32(0, magicNumber.codeDirectory);
  directory.setUint32(field.length, directorySize);
  directory.setUint32(field.version, version);
  directory.setUint32(field.flags, flags);
  directory.setUint32(field.hashOffset, hashOffset);
  directory.setUint32(field.identifierOffset, field.end);
  directory.setUint32(field.codeSlots, pages);
  directory.setUint32(field.codeLimit, codeLimit);
  directory.setUint8(field.hashSize, hash.size);
  directory.setUint8(field.hashType, hash.type);
  directory.setUint8(field.pageShift, pageShift);
  directory.setBigUint64(field.mainCodeLimit, BigInt(findSegment(file, "__TEXT").size));
  directory.setBigUint64(field.mainCodeFlags, BigInt(mainBinary));
  content.set(Buffer.from(`${identifier}\0`, "latin1"), field.end);
  // Last: the first pages hold the load commands, which have just been changed.
  for (let page = 0; page < pages; page += 1) {
    content.set(hashPage(bytes, page, codeLimit), hashOffset + page * hash.size);
  }
  return bytes;
}

export interface Signature {
  readonly identifier: string;
  readonly version: number;
  readonly flags: number;
  /** How much of the file it covers, in bytes, and whether that is all that comes before it. */
  readonly codeLimit: number;
  readonly isComplete: boolean;
  readonly pages: number;
  /** The pages that are not as they were signed. */
  readonly mismatches: readonly number[];
}

/** What a signature says and whether it is true. @throws Error unless it has a code directory with SHA-256. */
export function readSignature(executable: Uint8Array): Signature {
  const { offset } = readMachO(executable).signature;
  const superBlob = viewOf(executable.subarray(offset));
  const indices = Array.from({ length: superBlob.getUint32(8) }, (_, index) => 12 + index * 8);
  const index = indices.find((at) => superBlob.getUint32(at) === codeDirectorySlot);
  if (superBlob.getUint32(0) !== magicNumber.embeddedSignature || index === undefined) {
    throw new Error("the signature has no code directory");
  }
  const content = executable.subarray(offset + superBlob.getUint32(index + 4));
  const directory = viewOf(content);
  const isKnown = directory.getUint8(field.hashType) === hash.type && directory.getUint8(field.pageShift) === pageShift;
  if (directory.getUint32(0) !== magicNumber.codeDirectory || !isKnown) {
    throw new Error("the code directory is of an unknown form");
  }
  const codeLimit = directory.getUint32(field.codeLimit);
  const hashOffset = directory.getUint32(field.hashOffset);
  const pages = directory.getUint32(field.codeSlots);
  const expected = (page: number) =>
    content.subarray(hashOffset + page * hash.size, hashOffset + (page + 1) * hash.size);
  return {
    identifier: readString(content, directory.getUint32(field.identifierOffset)),
    version: directory.getUint32(field.version),
    flags: directory.getUint32(field.flags),
    codeLimit,
    isComplete: codeLimit === offset && pages * pageSize === alignUp(codeLimit, pageSize),
    pages,
    mismatches: Array.from({ length: pages }, (_, page) => page).filter(
      (page) => hashPage(executable, page, codeLimit).compare(expected(page)) !== 0,
    ),
  };
}

function hashPage(bytes: Uint8Array, page: number, codeLimit: number): Buffer {
  const end = Math.min((page + 1) * pageSize, codeLimit);
  return createHash("sha256")
    .update(bytes.subarray(page * pageSize, end))
    .digest();
}
