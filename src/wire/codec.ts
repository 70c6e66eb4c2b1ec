// Fields ⇄ bytes: the primitive types of PROTOCOL.md#1-types and the ways to combine them. All integers are big endian.
// Decoding is strict, so that whatever is accepted re-encodes to the same bytes. No I/O, no package.
import { MalformedBody, Reader, Writer } from "./buffer.ts";

export { MalformedBody };

/** A value's type on the wire. */
export interface Codec<Value> {
  /** @throws RangeError for a value that the type cannot carry, rather than send another one. */
  write(writer: Writer, value: Value): void;
  /** @throws MalformedBody for anything but the one encoding of a value. */
  read(reader: Reader): Value;
}

/** A codec in a table of codecs. Both methods mention the type, so only `any` is a supertype of all of them. */
export type AnyCodec = Codec<any>;

/** The TypeScript type that a codec carries. */
export type ValueOf<C> = C extends Codec<infer Value> ? Value : never;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function unsigned(size: 1 | 2 | 4 | 8): Codec<number> {
  const largest = Math.min(2 ** (8 * size) - 1, Number.MAX_SAFE_INTEGER);
  return {
    write: (writer, value) => {
      // Otherwise a number would be cut to its lowest bits without a word.
      if (!Number.isInteger(value) || value < 0 || value > largest) {
        throw new RangeError(`${value} is not a whole number from 0 to ${largest}`);
      }
      writer.unsigned(size, value);
    },
    read: (reader) => {
      const value = reader.unsigned(size);
      if (value > largest) throw new MalformedBody("a u64 is above 2^53 - 1");
      return value;
    },
  };
}

export const u8 = unsigned(1);
export const u16 = unsigned(2);
export const u32 = unsigned(4);

/** A `u64` whose value is at most 2^53 - 1; times are milliseconds since the epoch. */
export const u64 = unsigned(8);

/** One byte, 0 or 1. */
export const boolean: Codec<boolean> = {
  write: (writer, value) => u8.write(writer, value ? 1 : 0),
  read: (reader) => {
    const flag = u8.read(reader);
    if (flag > 1) throw new MalformedBody("a boolean is neither 0 nor 1");
    return flag === 1;
  },
};

/**
 * UTF-8 behind a `u16` length in bytes. Half a surrogate pair, which UTF-8 cannot say, is written as U+FFFD: text that
 * was cut off at a bad place must not cost an answer.
 */
export const string: Codec<string> = {
  write: (writer, value) => {
    const bytes = encoder.encode(value);
    u16.write(writer, bytes.length);
    writer.append(bytes);
  },
  read: (reader) => {
    const size = u16.read(reader);
    const text = reader.ascii(size);
    if (text !== undefined) return text;
    try {
      return decoder.decode(reader.take(size));
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
  read: (reader) => reader.take(u32.read(reader)),
};

/** A flag byte, then the value if it is 1. An optional of an optional would have two ways to say nothing. */
export function optional<Value extends string | number | boolean | object>(
  codec: Codec<Value>,
): Codec<Value | undefined> {
  return {
    write: (writer, value) => {
      boolean.write(writer, value !== undefined);
      if (value !== undefined) codec.write(writer, value);
    },
    read: (reader) => (boolean.read(reader) ? codec.read(reader) : undefined),
  };
}

/** A `u16` count, then that many values, each of which takes a byte at least. */
export function list<Value>(codec: Codec<Value>): Codec<readonly Value[]> {
  return {
    write: (writer, values) => {
      u16.write(writer, values.length);
      for (const value of values) codec.write(writer, value);
    },
    read: (reader) => {
      const count = u16.read(reader);
      if (count > reader.remaining) throw new MalformedBody("a list is longer than its body");
      const values: Value[] = [];
      for (let index = 0; index < count; index += 1) values.push(codec.read(reader));
      return values;
    },
  };
}

type Struct<F> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

/** Fields one after the other, in the order in which they are declared. */
export function struct<const F extends Readonly<Record<string, AnyCodec>>>(fields: F): Codec<Struct<F>> {
  const names = Object.keys(fields);
  return {
    write: (writer, value) => {
      for (const name of names) fields[name]!.write(writer, value[name]);
    },
    read: (reader) => {
      const value: Record<string, unknown> = {};
      for (const name of names) value[name] = fields[name]!.read(reader);
      return value as Struct<F>;
    },
  };
}

/** Encodes one value to bytes of its own. @throws RangeError for a value that its type cannot carry. */
export function encode<Value>(codec: Codec<Value>, value: Value): Uint8Array {
  const writer = new Writer();
  codec.write(writer, value);
  return writer.finish();
}

/** Decodes bytes that hold exactly one value, from `start` to their end. @throws MalformedBody */
export function decode<Value>(codec: Codec<Value>, encoded: Uint8Array, start = 0): Value {
  const reader = new Reader(encoded, start);
  const value = codec.read(reader);
  reader.finish();
  return value;
}
