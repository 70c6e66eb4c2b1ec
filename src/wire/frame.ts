// Frames ⇄ a stream of bytes: `u32` length of what follows, `u8` protocol version, `u8` message number, body.
// Knows nothing of bodies. The length is checked before anything is awaited or allocated. No I/O, no package.
import { PROTOCOL_VERSION } from "./messages.ts";

/** Bytes of the length field. */
const LENGTH_BYTES = 4;
/** Bytes of version and message number, which the length counts. */
const HEADER_BYTES = 2;

/** The largest length of a request on the control socket: a body of 64 KiB and its header. */
export const CONTROL_REQUEST_LIMIT = 64 * 1024 + HEADER_BYTES;
/** The largest length of a request on a grant socket: a body of 4 KiB and its header. */
export const GRANT_REQUEST_LIMIT = 4 * 1024 + HEADER_BYTES;
/** The largest length of a response on any socket: a body of 1 MiB and its header. */
export const RESPONSE_LIMIT = 1024 * 1024 + HEADER_BYTES;

/** Where the body begins in a frame. */
export const BODY_START = LENGTH_BYTES + HEADER_BYTES;

/** A complete frame. */
export class Frame {
  /** All of it, its length included. To be decoded from BODY_START on: any view of small bytes is dear (buffer.ts). */
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get version(): number {
    return this.bytes[LENGTH_BYTES]!;
  }

  get message(): number {
    return this.bytes[LENGTH_BYTES + 1]!;
  }

  /** A view, made for every call. */
  get body(): Uint8Array {
    return this.bytes.subarray(BODY_START);
  }
}

/** A length that no frame can have. The stream cannot be followed any further. */
export class MalformedFrame extends Error {
  override readonly name = "MalformedFrame";
  /** The frames that the same `push` completed before the malformed one. They are answered first. */
  readonly completed: readonly Frame[];

  constructor(message: string, completed: readonly Frame[] = []) {
    super(message);
    this.completed = completed;
  }
}

/** One frame as bytes of their own. @throws RangeError if it is over RESPONSE_LIMIT. */
export function encodeFrame(message: number, body: Uint8Array, version = PROTOCOL_VERSION): Uint8Array {
  const length = HEADER_BYTES + body.length;
  if (length > RESPONSE_LIMIT)
    throw new RangeError(`a frame of ${length} bytes is over the limit of ${RESPONSE_LIMIT}`);
  const frame = new Uint8Array(LENGTH_BYTES + length);
  new DataView(frame.buffer).setUint32(0, length);
  frame[4] = version;
  frame[5] = message;
  frame.set(body, LENGTH_BYTES + HEADER_BYTES);
  return frame;
}

const NOTHING = new Uint8Array(0);

/**
 * Cuts a stream, however it arrives, into frames. One for each direction of a connection. A writer gets no more out
 * of it than it puts in: about twice the bytes that arrived are held at most, and each is copied about twice at most.
 */
export class FrameDecoder {
  readonly #limit: number;
  /** Its first `#held` bytes are the start of a frame whose rest has not arrived. */
  #partial: Uint8Array = NOTHING;
  #held = 0;
  #failure: string | undefined;

  /** @param limit the largest length to accept, in bytes behind the length field */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Whether part of a frame has arrived, and its rest has not. It is another frame than before the last `push` if
   * that one returned any.
   */
  get isPartial(): boolean {
    return this.#held > 0;
  }

  /**
   * The chunk as a frame, where it is one whole frame and nothing else, and nothing is held: as nearly always.
   * Otherwise undefined, and the chunk is to be pushed. Never throws.
   */
  lone(chunk: Uint8Array): Frame | undefined {
    if (this.#held > 0 || this.#failure !== undefined || chunk.length < BODY_START) return undefined;
    const length = lengthOf(chunk);
    if (length > this.#limit || LENGTH_BYTES + length !== chunk.length) return undefined;
    return new Frame(chunk);
  }

  /**
   * Takes the next bytes and returns the frames they complete; none is not an error. A frame that arrived in one chunk
   * is that chunk, or a view into it.
   *
   * @throws MalformedFrame on an impossible length, as soon as its fourth byte is there, and on every call after that.
   */
  push(chunk: Uint8Array): Frame[] {
    const lone = this.lone(chunk);
    if (lone !== undefined) return [lone];
    const frames: Frame[] = [];
    if (this.#failure !== undefined) throw new MalformedFrame(this.#failure, frames);
    let rest = this.#held === 0 ? chunk : this.#complete(chunk, frames);
    for (;;) {
      const size = this.#sizeOf(rest, frames);
      if (rest.length < size) break;
      frames.push(cut(rest, size));
      rest = rest.subarray(size);
    }
    this.#hold(rest, rest.length);
    return frames;
  }

  /** Adds to the frame that is held, and returns what of the chunk lies behind it. */
  #complete(chunk: Uint8Array, frames: Frame[]): Uint8Array {
    let rest = this.#hold(chunk, LENGTH_BYTES);
    const size = this.#sizeOf(this.#partial.subarray(0, this.#held), frames);
    rest = this.#hold(rest, size);
    if (this.#held < size) return rest;
    frames.push(cut(this.#partial, size));
    this.#release();
    return rest;
  }

  /** Moves bytes over until `upTo` of them are held, and returns the others. */
  #hold(chunk: Uint8Array, upTo: number): Uint8Array {
    const taken = chunk.subarray(0, Math.max(0, upTo - this.#held));
    const held = this.#held + taken.length;
    if (held > this.#partial.length) {
      // Twice the size each time, so that a frame that arrives byte by byte is not copied for every byte.
      const larger = new Uint8Array(Math.max(held, 2 * this.#partial.length));
      larger.set(this.#partial);
      this.#partial.fill(0);
      this.#partial = larger;
    }
    this.#partial.set(taken, this.#held);
    this.#held = held;
    return chunk.subarray(taken.length);
  }

  #release(): void {
    this.#partial = NOTHING;
    this.#held = 0;
  }

  /** The bytes of the frame that starts here, its length field included; more than there are if that is cut off. */
  #sizeOf(start: Uint8Array, frames: readonly Frame[]): number {
    if (start.length < LENGTH_BYTES) return LENGTH_BYTES;
    const length = lengthOf(start);
    if (length >= HEADER_BYTES && length <= this.#limit) return LENGTH_BYTES + length;
    this.#release();
    this.#failure =
      length < HEADER_BYTES
        ? `a frame of ${length} bytes is too short`
        : `a frame of ${length} bytes is over the limit of ${this.#limit}`;
    throw new MalformedFrame(this.#failure, frames);
  }
}

function lengthOf(frame: Uint8Array): number {
  return frame[0]! * 2 ** 24 + frame[1]! * 2 ** 16 + frame[2]! * 2 ** 8 + frame[3]!;
}

function cut(bytes: Uint8Array, size: number): Frame {
  return new Frame(bytes.subarray(0, size));
}
