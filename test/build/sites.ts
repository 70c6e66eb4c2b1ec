// Applies one relocation to eight bytes.
import type { Machine } from "../../src/build/machine.ts";

export interface Applied {
  readonly type: number;
  readonly symbol?: number;
  readonly addend?: number;
  readonly place?: number;
  readonly got?: number;
  /** The bytes before, as a little-endian number. */
  readonly before?: bigint;
}

/** The bytes after, as a little-endian number. */
export function apply(
  machine: Machine,
  { type, symbol = 0, addend = 0, place = 0, got = 0, before = 0n }: Applied,
): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, before, true);
  machine.relocate({ view, offset: 0, type, place, symbol, addend, gotEntry: () => got });
  return view.getBigUint64(0, true);
}
