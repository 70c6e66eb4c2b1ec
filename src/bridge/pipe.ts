// A pipe to the other end of a bridge: bytes both ways, as a child's standard streams are, or our own.
import { type Clock, systemClock } from "../clock.ts";
import { KeyholeError } from "../errors.ts";
import { readAnswer } from "../client/messaging.ts";
import { encodeError } from "../server/dispatch.ts";
import { encode } from "../wire/codec.ts";
import { BODY_START, encodeFrame, type Frame, FrameDecoder, MalformedFrame } from "../wire/frame.ts";
import { ERROR_NUMBER, messages, PROTOCOL_VERSION, type ResponseOf } from "../wire/messages.ts";

export interface Pipe {
  /** Ends when the other end closes it. */
  readonly incoming: AsyncIterable<Uint8Array>;
  /** @throws KeyholeError `unreachable` if the other end is gone, or does not read. */
  write(bytes: Uint8Array): Promise<void>;
}

/** What Bun writes through: a child's stdin, or our own stdout. */
export interface Sink {
  write(bytes: Uint8Array): unknown;
  flush(): unknown;
}

/** A reader that takes nothing for this long is given up, in milliseconds. */
const WRITE_DEADLINE = 5000;

/** @param sink takes what is written; `incoming` is left to the reader */
export function createPipe(incoming: AsyncIterable<Uint8Array>, sink: Sink, clock: Clock = systemClock): Pipe {
  return {
    incoming,
    write: async (bytes) => {
      const late = Promise.withResolvers<never>();
      const timer = clock.after(WRITE_DEADLINE, () => late.reject(gone("does not read")));
      try {
        await Promise.race([writeAll(sink, bytes), late.promise]);
      } finally {
        timer.cancel();
      }
    },
  };
}

async function writeAll(sink: Sink, bytes: Uint8Array): Promise<void> {
  try {
    await sink.write(bytes);
    await sink.flush();
  } catch {
    throw gone("is gone");
  }
}

function gone(what: string): KeyholeError {
  return new KeyholeError("unreachable", `the other end of the bridge ${what}`, "start the bridge again");
}

// The frames that cross a bridge: Fetch one way, its answers the other. All else stops at either end.

const { number: FETCH, request, response } = messages.Fetch;

/** How the two ends are started, for hints. */
export const BRIDGE_USAGE = "keyhole bridge GRANT -- ssh HOST keyhole bridge --stdio";

/** The only request there is. */
export const fetchFrame = encodeFrame(FETCH, encode(request, {}));

/** Largest request, in bytes behind the length field, as on a grant's socket: 4 KiB and the header. */
export const REQUEST_LIMIT = 4096 + 2;
/** Largest answer: a `credential_process` line is under 8 KiB, the strings of an error reply at most 64 KiB each. */
export const ANSWER_LIMIT = 192 * 1024;

export function isFetch(frame: Frame): boolean {
  return frame.bytes.length === BODY_START && frame.version === PROTOCOL_VERSION && frame.message === FETCH;
}

/** Whether a frame is what Fetch is answered with; its body is the asker's to read. */
export function isAnswer(frame: Frame): boolean {
  return frame.version === PROTOCOL_VERSION && (frame.message === FETCH || frame.message === ERROR_NUMBER);
}

/** The answers that an end of a bridge gives itself. */
export const forbidden = encodeError(
  new KeyholeError("forbidden", "a bridge carries requests for one grant's credentials, and nothing else"),
);
export const tooMany = encodeError(new KeyholeError("throttled", "too many requests wait for the bridge"));
export const ended = encodeError(
  new KeyholeError(
    "unreachable",
    "the bridge to this grant has ended",
    "ask the owner of the grant to run keyhole bridge again",
  ),
);

export function encodeAnswer(answer: ResponseOf<"Fetch">): Uint8Array {
  return encodeFrame(FETCH, encode(response, answer));
}

/** @param bytes a whole frame. @throws KeyholeError what an error reply says, or `unsupported-version` for what is neither. */
export function decodeAnswer(bytes: Uint8Array): ResponseOf<"Fetch"> {
  const [frame] = new FrameDecoder(ANSWER_LIMIT).push(bytes);
  return readAnswer("Fetch", frame!);
}

/** The frames that are whole with this chunk. @throws KeyholeError `bad-request` for bytes that are none */
export function cutFrames(decoder: FrameDecoder, chunk: Uint8Array): Frame[] {
  try {
    return decoder.push(chunk);
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    throw foreign();
  }
}

/** Whatever is at the other end, it is not keyhole, or not that of a bridge. */
export function foreign(): KeyholeError {
  return new KeyholeError("bad-request", "what comes through the pipe is not from keyhole bridge", BRIDGE_USAGE);
}
