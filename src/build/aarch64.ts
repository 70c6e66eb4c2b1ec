// AArch64. Numbers, formulas and ranges: ELF for the Arm 64-bit Architecture ("aaelf64"), chapter "Relocation": tables
// "Data relocations", "Relocations to generate 19, 21 and 33 bit PC-relative addresses", "Relocations for control-flow
// instructions", "GOT-relative instruction relocations" and "Dynamic relocations". Section numbers move between its
// releases, the names of the tables do not.
import { writeAddress } from "./bytes.ts";
import { checkRange, type DynamicKind, type Machine, type Site, words } from "./machine.ts";

export const aarch64Relocation = {
  R_AARCH64_NONE: 0,
  /** Withdrawn; to be treated as NONE. */
  R_AARCH64_NONE_OLD: 256,
  R_AARCH64_ABS64: 257,
  R_AARCH64_ABS32: 258,
  R_AARCH64_PREL64: 260,
  R_AARCH64_PREL32: 261,
  R_AARCH64_ADR_PREL_PG_HI21: 275,
  R_AARCH64_ADR_PREL_PG_HI21_NC: 276,
  R_AARCH64_ADD_ABS_LO12_NC: 277,
  R_AARCH64_LDST8_ABS_LO12_NC: 278,
  R_AARCH64_TSTBR14: 279,
  R_AARCH64_CONDBR19: 280,
  R_AARCH64_JUMP26: 282,
  R_AARCH64_CALL26: 283,
  R_AARCH64_LDST16_ABS_LO12_NC: 284,
  R_AARCH64_LDST32_ABS_LO12_NC: 285,
  R_AARCH64_LDST64_ABS_LO12_NC: 286,
  R_AARCH64_LDST128_ABS_LO12_NC: 299,
  R_AARCH64_ADR_GOT_PAGE: 311,
  R_AARCH64_LD64_GOT_LO12_NC: 312,
  R_AARCH64_COPY: 1024,
  R_AARCH64_GLOB_DAT: 1025,
  R_AARCH64_JUMP_SLOT: 1026,
  R_AARCH64_TLS_TPREL64: 1030,
} as const;
const R = aarch64Relocation;

/** aaelf64, "Relocation operations": Page(expr) is the address without its low 12 bits, whatever the real page size. */
const relocationPage = 0x1000;
/** Arm Architecture Reference Manual, C6.2 "NOP". */
const nop = 0xd503201f;

function relocate(site: Site): void {
  const { view, offset, type, place, symbol, addend } = site;
  const target = symbol + addend;
  switch (type) {
    case R.R_AARCH64_NONE:
    case R.R_AARCH64_NONE_OLD:
      return;
    case R.R_AARCH64_ABS64:
      writeAddress(view, offset, target);
      return;
    case R.R_AARCH64_PREL64:
      writeAddress(view, offset, target - place);
      return;
    case R.R_AARCH64_ABS32:
      view.setUint32(offset, checkRange(target, -(2 ** 31), 2 ** 32), true);
      return;
    // The table allows up to 2^32; what we link holds signed distances, so a value above 2^31 would be read as negative.
    case R.R_AARCH64_PREL32:
      view.setInt32(offset, checkRange(target - place, -(2 ** 31), 2 ** 31), true);
      return;
    // Without the check ("_NC") the result would be a wrong address all the same.
    case R.R_AARCH64_ADR_PREL_PG_HI21:
    case R.R_AARCH64_ADR_PREL_PG_HI21_NC:
      setPage(site, target);
      return;
    case R.R_AARCH64_ADR_GOT_PAGE:
      setPage(site, tableEntry(site));
      return;
    case R.R_AARCH64_ADD_ABS_LO12_NC:
    case R.R_AARCH64_LDST8_ABS_LO12_NC:
      setLow12(site, target, 1);
      return;
    case R.R_AARCH64_LDST16_ABS_LO12_NC:
      setLow12(site, target, 2);
      return;
    case R.R_AARCH64_LDST32_ABS_LO12_NC:
      setLow12(site, target, 4);
      return;
    case R.R_AARCH64_LDST64_ABS_LO12_NC:
      setLow12(site, target, 8);
      return;
    case R.R_AARCH64_LDST128_ABS_LO12_NC:
      setLow12(site, target, 16);
      return;
    case R.R_AARCH64_LD64_GOT_LO12_NC:
      setLow12(site, tableEntry(site), 8);
      return;
    case R.R_AARCH64_TSTBR14:
      setBranch(site, target, 14, 5);
      return;
    case R.R_AARCH64_CONDBR19:
      setBranch(site, target, 19, 5);
      return;
    case R.R_AARCH64_JUMP26:
    case R.R_AARCH64_CALL26:
      // aaelf64, "Call and Jump relocations": a branch to an undefined weak symbol goes on with the next instruction.
      if (symbol === 0) view.setUint32(offset, nop, true);
      else setBranch(site, target, 26, 0);
      return;
    default:
      throw new Error("the relocation type is not known");
  }
}

/** G(GDAT(S+A)): the entry would have to hold S + A, and the table holds S alone. */
function tableEntry({ addend, gotEntry }: Site): number {
  if (addend !== 0) throw new Error(`the addend ${addend} of a reference through the table is not supported`);
  return gotEntry();
}

/** Writes `value` into the `width` bits of the instruction that begin at bit `position`. */
function setField({ view, offset }: Site, width: number, position: number, value: number): void {
  const mask = (2 ** width - 1) << position;
  view.setUint32(offset, (view.getUint32(offset, true) & ~mask) | ((value << position) & mask), true);
}

/** ADRP: the distance in pages, its two lowest bits in 30:29 and the other 19 in 23:5. */
function setPage(site: Site, target: number): void {
  const distance = Math.floor(target / relocationPage) - Math.floor(site.place / relocationPage);
  checkRange(distance, -(2 ** 20), 2 ** 20);
  setField(site, 2, 29, distance);
  setField(site, 19, 5, distance >> 2);
}

/** ADD, LDR, STR: the low 12 bits of the address in units of the access, in 21:10. */
function setLow12(site: Site, target: number, unit: number): void {
  const low = target % relocationPage;
  if (low % unit !== 0) throw new Error(`the value ${target} is not aligned to ${unit}`);
  setField(site, 12, 10, low / unit);
}

function setBranch(site: Site, target: number, width: number, position: number): void {
  const distance = (target - site.place) / 4;
  if (!Number.isInteger(distance)) throw new Error(`the branch target ${target} is not aligned to 4`);
  setField(site, width, position, checkRange(distance, -(2 ** (width - 1)), 2 ** (width - 1)));
}

/** mrs x0, tpidr_el0; ldr x0, [x0, #offset]; br x0. The offset is unsigned, a multiple of 8 below 32 KiB. */
function callThreadVariable(threadOffset: number): Uint8Array {
  if (threadOffset % 8 !== 0) throw new Error(`the thread-local offset ${threadOffset} is not aligned to 8`);
  const scaled = checkRange(threadOffset / 8, 0, 2 ** 12);
  return words(0xd53bd040, 0xf9400000 + scaled * 2 ** 10, 0xd61f0000);
}

export const aarch64: Machine = {
  name: "AArch64",
  // EM_AARCH64, aaelf64, "ELF Header".
  number: 183,
  pageSize: 0x10000,
  dynamicKinds: new Map<number, DynamicKind>([
    [R.R_AARCH64_COPY, "copy"],
    [R.R_AARCH64_ABS64, "pointer"],
    [R.R_AARCH64_GLOB_DAT, "pointer"],
    [R.R_AARCH64_JUMP_SLOT, "slot"],
    [R.R_AARCH64_TLS_TPREL64, "thread"],
  ]),
  absoluteType: R.R_AARCH64_ABS64,
  gotTypes: new Set<number>([R.R_AARCH64_ADR_GOT_PAGE, R.R_AARCH64_LD64_GOT_LO12_NC]),
  // "ELF Handling For Thread-Local Storage", variant I, with a thread control block of two words (aaelf64, "Thread
  // Local Storage").
  thread: { segment: "above pointer", gap: 16 },
  relocate,
  // mov w0, #0; ret
  returnZero: words(0x52800000, 0xd65f03c0),
  callThreadVariable,
};
