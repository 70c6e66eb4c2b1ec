// What differs between the CPUs. One implementation per psABI: x86-64.ts, aarch64.ts.

/** What a dynamic relocation of the executable asks for. */
export type DynamicKind =
  /** Copy the library's variable into the executable's own, which program and libraries use from then on. */
  | "copy"
  /** The address of a variable or function. */
  | "pointer"
  /** The address of a function, for a jump of the procedure linkage table. */
  | "slot"
  /** The distance of a thread-local variable from the thread pointer. */
  | "thread";

/** One place that a static relocation changes. The letters are those of both psABIs. */
export interface Site {
  readonly view: DataView;
  /** Where in `view` it lies. */
  readonly offset: number;
  readonly type: number;
  /** P: its address. */
  readonly place: number;
  /** S: the address of the symbol; 0 for a weak symbol that is not defined. */
  readonly symbol: number;
  /** A. */
  readonly addend: number;
  /** G: the address of the symbol's entry in the global offset table. @throws Error if it has none. */
  readonly gotEntry: () => number;
}

export interface Machine {
  readonly name: string;
  /** e_machine. gABI 4, "ELF Header". */
  readonly number: number;
  /** The largest page that Linux uses on it: segments are aligned to it. */
  readonly pageSize: number;
  readonly dynamicKinds: ReadonlyMap<number, DynamicKind>;
  /** The static relocation that writes a whole address, S + A. The only one that may lie in a copied variable. */
  readonly absoluteType: number;
  /** Static relocations that go through the global offset table. */
  readonly gotTypes: ReadonlySet<number>;
  readonly thread: {
    /** Where the program's thread-local segment lies, seen from the thread pointer. */
    readonly segment: "below pointer" | "above pointer";
    /** Bytes between the pointer and the segment, before alignment. */
    readonly gap: number;
  };
  /** @throws Error if the type is not known or the value does not fit; the caller adds who and where. */
  relocate(site: Site): void;
  /** A function that returns 0. */
  readonly returnZero: Uint8Array;
  /** A function that calls the function in the thread-local variable at `threadOffset` from the thread pointer. */
  callThreadVariable(threadOffset: number): Uint8Array;
}

/** @throws Error if the value is outside [lowest, limit). */
export function checkRange(value: number, lowest: number, limit: number): number {
  if (value < lowest || value >= limit) throw new Error(`the value ${value} overflows its field`);
  return value;
}

export function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
}
