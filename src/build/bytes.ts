// Little-endian numbers and C strings in a byte array: all that both supported CPUs need.

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * An unsigned 64-bit number: an address, an offset, a size.
 * @throws Error above 2^53, where a JavaScript number is not exact; no address of a Linux process is that large.
 */
export function readAddress(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`the number 0x${value.toString(16)} is too large`);
  return Number(value);
}

/** A signed 64-bit number. @throws Error where a JavaScript number is not exact. */
export function readAddend(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true));
  if (!Number.isSafeInteger(value)) throw new Error(`the addend ${value} is too large`);
  return value;
}

/** Writes a signed or unsigned number as 64 bits. */
export function writeAddress(view: DataView, at: number, value: number): void {
  view.setBigInt64(at, BigInt(value), true);
}

/** A string that ends with a zero byte. @throws Error if there is none. */
export function readString(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  if (at > bytes.length || end === -1) throw new Error(`no string ends after offset ${toHex(at)}`);
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString("latin1");
}

/** The next multiple of `alignment`; 0 and 1 mean none (gABI, sh_addralign and p_align). */
export function alignUp(value: number, alignment: number): number {
  return alignment > 1 ? Math.ceil(value / alignment) * alignment : value;
}

export function toHex(value: number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
