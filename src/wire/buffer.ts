// The two ends of a body: a Writer that grows, a Reader that never leaves its bytes. No I/O, no package.

/** A body that does not follow PROTOCOL.md. The connection that sent it is closed after an error reply. */
export class MalformedBody extends Error {
  override readonly name = "MalformedBody";
}

/** Appends fields to a buffer that grows. */
export class Writer {
  #bytes = new Uint8Array(256);
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
    }
    return start;
  }

  /** A big endian integer of `size` bytes, which the caller has checked. No DataView: see Reader. */
  unsigned(size: number, value: number): void {
    const start = this.reserve(size);
    let rest = value;
    for (let at = start + size - 1; at >= start; at -= 1) {
      this.#bytes[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
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

/** Works on any bytes; `Buffer.from` would make a view of them. */
const toText = Buffer.prototype.toString;

/**
 * Takes fields off a buffer, from the front. It makes neither a DataView nor a subarray: either makes the engine turn a
 * small array into one with a buffer of its own, which costs more than all else that a small request does (2 µs of 5).
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #offset: number;

  constructor(bytes: Uint8Array, start = 0) {
    this.#bytes = bytes;
    this.#offset = start;
  }

  /** A big endian integer of `size` bytes; above 2^53 it is not exact, and above 2^53 it stays. */
  unsigned(size: number): number {
    const start = this.#offset;
    const end = this.#advance(size);
    let value = 0;
    for (let at = start; at < end; at += 1) value = value * 256 + this.#bytes[at]!;
    return value;
  }

  /** Moves past `size` bytes and returns the offset at which they end. */
  #advance(size: number): number {
    const end = this.#offset + size;
    if (end > this.#bytes.length) throw new MalformedBody("the body ends inside a field");
    this.#offset = end;
    return end;
  }

  /**
   * The next `size` bytes as text if all of them are ASCII; otherwise it stays where it is. Nearly all text is short
   * and ASCII, and this is half as dear as a copy and a TextDecoder.
   */
  ascii(size: number): string | undefined {
    const start = this.#offset;
    const end = this.#advance(size);
    for (let at = start; at < end; at += 1) {
      if (this.#bytes[at]! < 0x80) continue;
      this.#offset = start;
      return undefined;
    }
    return toText.call(this.#bytes, "latin1", start, end);
  }

  /** A copy of the next `size` bytes. */
  take(size: number): Uint8Array {
    const start = this.#offset;
    return this.#bytes.slice(start, this.#advance(size));
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  finish(): void {
    if (this.#offset !== this.#bytes.length) throw new MalformedBody("bytes follow the last field");
  }
}
