// Mach-O executables of a few pages, made by hand.
import { writeAddress, viewOf } from "../../src/build/bytes.ts";

const page = 0x1000;

export interface MachOParts {
  /** Bytes of code; the string table of 100 bytes follows on the next page, and then the signature. */
  readonly code?: Uint8Array;
  readonly signatureSize?: number;
  /** Bytes behind the signature, which no linker leaves. */
  readonly tail?: number;
  readonly fileType?: number;
  /** Where __LINKEDIT lies in memory; behind __TEXT by default. */
  readonly linkEditAddress?: number;
}

/** __TEXT with the header and the code, __LINKEDIT with 100 bytes and a signature of zeros. */
export function createMachO({ code, signatureSize = 64, tail = 0, fileType = 2, linkEditAddress }: MachOParts = {}) {
  const body = code ?? new Uint8Array(page).fill(0xc3);
  const textSize = Math.ceil((512 + body.length) / page) * page;
  // Signatures begin at a multiple of 16.
  const signatureOffset = textSize + 112;
  const bytes = new Uint8Array(signatureOffset + signatureSize + tail);
  const view = viewOf(bytes);
  [0xfeedfacf, 0x0100000c, 0, fileType, 3, 72 + 72 + 16, 0, 0].forEach((word, index) =>
    view.setUint32(index * 4, word, true),
  );
  const segment = (at: number, name: string, numbers: readonly number[]) => {
    view.setUint32(at, 0x19, true);
    view.setUint32(at + 4, 72, true);
    bytes.set(Buffer.from(name), at + 8);
    numbers.forEach((number, index) => writeAddress(view, at + 24 + index * 8, number));
  };
  const base = 0x100000000;
  segment(32, "__TEXT", [base, textSize, 0, textSize]);
  segment(104, "__LINKEDIT", [linkEditAddress ?? base + textSize, page, textSize, 112 + signatureSize]);
  [0x1d, 16, signatureOffset, signatureSize].forEach((word, index) => view.setUint32(176 + index * 4, word, true));
  bytes.set(body, 512);
  return { bytes, textSize, signatureOffset };
}
