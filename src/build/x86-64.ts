// x86-64. Numbers and formulas: System V ABI, AMD64 Architecture Processor Supplement ("x86-64 psABI", version 1.0),
// section 4.4 "Relocation", table "Relocation Types". Relaxation of GOT loads (appendix B.2) is optional; not done.
import { writeAddress } from "./bytes.ts";
import { checkRange, type DynamicKind, type Machine, type Site, words } from "./machine.ts";

export const x8664Relocation = {
  R_X86_64_NONE: 0,
  R_X86_64_64: 1,
  R_X86_64_PC32: 2,
  R_X86_64_PLT32: 4,
  R_X86_64_COPY: 5,
  R_X86_64_GLOB_DAT: 6,
  R_X86_64_JUMP_SLOT: 7,
  R_X86_64_GOTPCREL: 9,
  R_X86_64_32: 10,
  R_X86_64_32S: 11,
  R_X86_64_TPOFF64: 18,
  R_X86_64_PC64: 24,
  R_X86_64_GOTPCRELX: 41,
  R_X86_64_REX_GOTPCRELX: 42,
} as const;
const R = x8664Relocation;

function relocate({ view, offset, type, place, symbol, addend, gotEntry }: Site): void {
  switch (type) {
    case R.R_X86_64_NONE:
      return;
    case R.R_X86_64_64:
      writeAddress(view, offset, symbol + addend);
      return;
    case R.R_X86_64_PC64:
      writeAddress(view, offset, symbol + addend - place);
      return;
    // "word32", zero-extended: the value must be unsigned.
    case R.R_X86_64_32:
      view.setUint32(offset, checkRange(symbol + addend, 0, 2 ** 32), true);
      return;
    case R.R_X86_64_32S:
      writeSigned(symbol + addend);
      return;
    // L, the entry of the procedure linkage table, is the function itself: there is no other module to jump to.
    case R.R_X86_64_PLT32:
    case R.R_X86_64_PC32:
      writeSigned(symbol + addend - place);
      return;
    case R.R_X86_64_GOTPCREL:
    case R.R_X86_64_GOTPCRELX:
    case R.R_X86_64_REX_GOTPCRELX:
      writeSigned(gotEntry() + addend - place);
      return;
    default:
      throw new Error("the relocation type is not known");
  }

  function writeSigned(value: number): void {
    view.setInt32(offset, checkRange(value, -(2 ** 31), 2 ** 31), true);
  }
}

/** mov rax, fs:[offset]; jmp rax. The thread pointer is fs:0 (x86-64 psABI 3.4.6 and "ELF Handling For TLS", 4.4.6). */
function callThreadVariable(threadOffset: number): Uint8Array {
  return Buffer.concat([Buffer.from([0x64, 0x48, 0x8b, 0x04, 0x25]), words(threadOffset), Buffer.from([0xff, 0xe0])]);
}

export const x8664: Machine = {
  name: "x86-64",
  // EM_X86_64, psABI 4.1.1.
  number: 62,
  pageSize: 0x1000,
  dynamicKinds: new Map<number, DynamicKind>([
    [R.R_X86_64_COPY, "copy"],
    [R.R_X86_64_64, "pointer"],
    [R.R_X86_64_GLOB_DAT, "pointer"],
    [R.R_X86_64_JUMP_SLOT, "slot"],
    [R.R_X86_64_TPOFF64, "thread"],
  ]),
  absoluteType: R.R_X86_64_64,
  gotTypes: new Set<number>([R.R_X86_64_GOTPCREL, R.R_X86_64_GOTPCRELX, R.R_X86_64_REX_GOTPCRELX]),
  // "ELF Handling For Thread-Local Storage", variant II.
  thread: { segment: "below pointer", gap: 0 },
  relocate,
  // xor eax, eax; ret
  returnZero: new Uint8Array([0x31, 0xc0, 0xc3]),
  callThreadVariable,
};
