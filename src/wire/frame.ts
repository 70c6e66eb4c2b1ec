// Frames ⇄ a stream of bytes: `u32` length of what follows, `u8` protocol version, `u8` message number, body.
// Knows nothing of bodies. The length is checked before anything is awaited or allocated. No I/O, no package.
import { PROTOCOL_VERSION } from "./messages.ts";

/** Largest request on the control socket, in bytes behind the length (DESIGN.md, 5). */
export const CONTROL_REQUEST_LIMIT = 64 * 1024;
/** Largest response on any socket. */
export const RESPONSE_LIMIT = 1024 * 1024;

/** Bytes of the length field. */
const LENGTH_BYTES = 4;
/** Bytes of version and message number, which the length counts. */
const HEADER_BYTES = 2;

export interface Frame {
  readonly version: number;
  readonly message: number;
  readonly body: Uint8Array;
}

/** A length that no frame can have. The stream cannot be followed any further. */
export class MalformedFrame extends Error {
  override readonly name = "MalformedFrame";
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

/** Cuts a stream, however it arrives, into frames. One for each direction of a connection. */
export class FrameDecoder {
  readonly #limit: number;
  #pending: Uint8Array = new Uint8Array(0);

  /** @param limit the largest length to accept, in bytes behind the length field */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether part of a frame has arrived, and its rest has not. */
  get isPartial(): boolean {
    return this.#pending.length > 0;
  }

  /**
   * Takes the next bytes and returns the frames they complete; none is not an error. Bodies are views into `chunk`
   * where that is possible.
   *
   * @throws MalformedFrame on an impossible length; the decoder is of no use after that.
   */
  push(chunk: Uint8Array): Frame[] {
    let rest = this.#pending.length === 0 ? chunk : concatenate(this.#pending, chunk);
    const frames: Frame[] = [];
    while (rest.length >= LENGTH_BYTES) {
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      if (length < HEADER_BYTES) throw new MalformedFrame(`a frame of ${length} bytes is too short`);
      if (length > this.#limit) {
        throw new MalformedFrame(`a frame of ${length} bytes is over the limit of ${this.#limit}`);
      }
      const end = LENGTH_BYTES + length;
      if (rest.length < end) break;
      frames.push({ version: rest[4]!, message: rest[5]!, body: rest.subarray(LENGTH_BYTES + HEADER_BYTES, end) });
      rest = rest.subarray(end);
    }
    this.#pending = rest;
    return frames;
  }
}

function concatenate(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
