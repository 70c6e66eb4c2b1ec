// The frames that cross a bridge: Fetch one way, its answers the other. All else stops at either end.
import { encodeError } from "../daemon/dispatcher.ts";
import { errorNameOf, KeyholeError } from "../errors.ts";
import { decode, encode, MalformedBody } from "../wire/codec.ts";
import { BODY_START, encodeFrame, type Frame, FrameDecoder } from "../wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages, PROTOCOL_VERSION, type ResponseOf } from "../wire/messages.ts";

const { number: FETCH, request, response } = messages.Fetch;

/** The only request there is. */
export const fetchFrame = encodeFrame(FETCH, encode(request, {}));

/** Largest request, in bytes behind the length field, as on a grant's socket: 4 KiB and the header (DESIGN.md, 5). */
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
    "ask whoever runs keyhole bridge to start it again",
  ),
);

export function encodeAnswer(answer: ResponseOf<"Fetch">): Uint8Array {
  return encodeFrame(FETCH, encode(response, answer));
}

/** @throws KeyholeError what an error reply says, or `unsupported-version` for what is neither. */
export function decodeAnswer(bytes: Uint8Array): ResponseOf<"Fetch"> {
  const [frame] = new FrameDecoder(ANSWER_LIMIT).push(bytes);
  try {
    if (frame?.message === FETCH) return decode(response, bytes, BODY_START);
    const { number, message, hint } = decode(errorReply, bytes, BODY_START);
    throw new KeyholeError(errorNameOf(number), message, hint);
  } catch (error) {
    if (!(error instanceof MalformedBody)) throw error;
    throw new KeyholeError("unsupported-version", "the answer that came over the bridge is not understood here");
  }
}
