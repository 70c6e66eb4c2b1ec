// The two ends of a body: a Writer that grows, a Reader that never leaves its bytes. No I/O, no package.

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
