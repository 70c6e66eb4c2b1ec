// Fields ⇄ bytes: the primitive types of PROTOCOL.md and the ways to combine them. All integers are big endian.
// Decoding is strict, so that whatever is accepted re-encodes to the same bytes. No I/O, no package.

/** A value's type on the wire. */
export interface Codec<Value> {
  write(writer: Writer, value: Value): void;
  /** @throws MalformedBody for anything but the one encoding of a value. */
  read(reader: Reader): Value;
}

/** A codec in a table of codecs. Both methods mention the type, so only `any` is a supertype of all of them. */
export type AnyCodec = Codec<any>;

/** The TypeScript type that a codec carries. */
export type ValueOf<C> = C extends Codec<infer Value> ? Value : never;

/** A body that does not follow PROTOCOL.md. The connection that sent it is closed after an error reply. */
export class MalformedBody extends Error {
  override readonly name = "MalformedBody";
}

/** Appends fields to a buffer that grows. */
export class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Makes room for `size` more bytes and returns the offset at which they start. */
  reserve(size: number): number {
    const start = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, start));
      // What is outgrown may hold a secret: leave none behind for the collector.
      this.#bytes.fill(0);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }

  get view(): DataView {
    return this.#view;
  }

  append(bytes: Uint8Array): void {
    const start = this.reserve(bytes.length);
    this.#bytes.set(bytes, start);
  }

  /** What was written so far; a view, valid until the next write. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Takes fields off a buffer, from the front. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves past `size` bytes and returns the offset at which they start. */
  advance(size: number): number {
    const start = this.#offset;
    if (size > this.#bytes.length - start) throw new MalformedBody("the body ends inside a field");
    this.#offset = start + size;
    return start;
  }

  /** The next `size` bytes; a view, not a copy. */
  take(size: number): Uint8Array {
    const start = this.advance(size);
    return this.#bytes.subarray(start, start + size);
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  finish(): void {
    if (this.#offset !== this.#bytes.length) throw new MalformedBody("bytes follow the last field");
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const u8: Codec<number> = {
  write: (writer, value) => {
    const at = writer.reserve(1);
    writer.view.setUint8(at, value);
  },
  read: (reader) => reader.view.getUint8(reader.advance(1)),
};

export const u16: Codec<number> = {
  write: (writer, value) => {
    const at = writer.reserve(2);
    writer.view.setUint16(at, value);
  },
  read: (reader) => reader.view.getUint16(reader.advance(2)),
};

export const u32: Codec<number> = {
  write: (writer, value) => {
    const at = writer.reserve(4);
    writer.view.setUint32(at, value);
  },
  read: (reader) => reader.view.getUint32(reader.advance(4)),
};

/** A `u64` whose value is at most 2^53 - 1; times are milliseconds since the epoch. */
export const u64: Codec<number> = {
  write: (writer, value) => {
    const at = writer.reserve(8);
    writer.view.setBigUint64(at, BigInt(value));
  },
  read: (reader) => {
    const value = reader.view.getBigUint64(reader.advance(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new MalformedBody("a u64 is above 2^53 - 1");
    return Number(value);
  },
};

/** One byte, 0 or 1. */
export const boolean: Codec<boolean> = {
  write: (writer, value) => u8.write(writer, value ? 1 : 0),
  read: (reader) => {
    const flag = u8.read(reader);
    if (flag > 1) throw new MalformedBody("a boolean is neither 0 nor 1");
    return flag === 1;
  },
};

/** UTF-8 behind a `u16` length in bytes. */
export const string: Codec<string> = {
  write: (writer, value) => {
    const bytes = encoder.encode(value);
    if (bytes.length > 0xffff) throw new RangeError("a string is longer than 65535 bytes");
    u16.write(writer, bytes.length);
    writer.append(bytes);
  },
  read: (reader) => {
    const bytes = reader.take(u16.read(reader));
    try {
      return decoder.decode(bytes);
    } catch {
      throw new MalformedBody("a string is not UTF-8");
    }
  },
};

/** Bytes behind a `u32` length. Reading copies, so that the frame's buffer can be reused or wiped. */
export const bytes: Codec<Uint8Array> = {
  write: (writer, value) => {
    u32.write(writer, value.length);
    writer.append(value);
  },
  read: (reader) => reader.take(u32.read(reader)).slice(),
};

/** A flag byte, then the value if it is 1. */
export function optional<Value>(codec: Codec<Value>): Codec<Value | undefined> {
  return {
    write: (writer, value) => {
      boolean.write(writer, value !== undefined);
      if (value !== undefined) codec.write(writer, value);
    },
    read: (reader) => (boolean.read(reader) ? codec.read(reader) : undefined),
  };
}

/** A `u16` count, then that many values. */
export function list<Value>(codec: Codec<Value>): Codec<readonly Value[]> {
  return {
    write: (writer, values) => {
      if (values.length > 0xffff) throw new RangeError("a list is longer than 65535 values");
      u16.write(writer, values.length);
      for (const value of values) codec.write(writer, value);
    },
    read: (reader) => {
      const count = u16.read(reader);
      // Every value is at least one byte long, so a count that cannot be true is refused before the loop.
      if (count > reader.remaining) throw new MalformedBody("a list is longer than its body");
      return Array.from({ length: count }, () => codec.read(reader));
    },
  };
}

type Struct<F> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

/** Fields one after the other, in the order in which they are declared. */
export function struct<const F extends Readonly<Record<string, AnyCodec>>>(fields: F): Codec<Struct<F>> {
  const entries = Object.entries(fields);
  return {
    write: (writer, value) => {
      for (const [name, codec] of entries) codec.write(writer, value[name]);
    },
    read: (reader) => Object.fromEntries(entries.map(([name, codec]) => [name, codec.read(reader)])) as Struct<F>,
  };
}

/** Encodes one value to bytes of its own. */
export function encode<Value>(codec: Codec<Value>, value: Value): Uint8Array {
  const writer = new Writer();
  codec.write(writer, value);
  return writer.finish();
}

/** Decodes bytes that hold exactly one value. */
export function decode<Value>(codec: Codec<Value>, body: Uint8Array): Value {
  const reader = new Reader(body);
  const value = codec.read(reader);
  reader.finish();
  return value;
}
