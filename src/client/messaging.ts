// One request and its answer, as bytes and as values: to a daemon, or to a broker inside of this process. Knows no socket.
import { errorNameOf, KeyholeError } from "../errors.ts";
import { decode, encode, MalformedBody } from "../wire/codec.ts";
import { CONTROL_REQUEST_LIMIT, encodeFrame, type Frame, FrameDecoder, RESPONSE_LIMIT } from "../wire/frame.ts";
import {
  ERROR_NUMBER,
  errorReply,
  type MessageName,
  messages,
  PROTOCOL_VERSION,
  type RequestOf,
  type ResponseOf,
} from "../wire/messages.ts";
import type { Link } from "./asking.ts";

/** @throws KeyholeError `usage` for what no daemon would take: a name or an environment of 64 KiB. */
export function encodeRequest<Name extends MessageName>(name: Name, body: RequestOf<Name>): Uint8Array {
  const { number, request } = messages[name];
  try {
    const frame = encodeFrame(number, encode<any>(request, body));
    if (frame.length <= CONTROL_REQUEST_LIMIT) return frame;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new KeyholeError(
    "usage",
    "the request is larger than a daemon takes",
    "unset long AWS_* variables, or shorten PATH",
  );
}

/** @throws KeyholeError the daemon's own error, `unsupported-version` for what is no answer to that message. */
export function readAnswer<Name extends MessageName>(name: Name, frame: Frame): ResponseOf<Name> {
  const { number, response } = messages[name];
  try {
    const isSpoken = frame.message === number && frame.version === PROTOCOL_VERSION;
    if (isSpoken) return decode<any>(response, frame.body) as ResponseOf<Name>;
    if (frame.message === ERROR_NUMBER) throw replyError(frame.body);
  } catch (error) {
    if (!(error instanceof MalformedBody)) throw error;
  }
  throw notUnderstood(frame.version);
}

/** The error in an error reply. @throws MalformedBody */
export function replyError(body: Uint8Array): KeyholeError {
  const { number, message, hint } = decode(errorReply, body);
  return new KeyholeError(errorNameOf(number), message, hint);
}

function notUnderstood(version: number): KeyholeError {
  if (version === PROTOCOL_VERSION) {
    return new KeyholeError("unsupported-version", "the daemon's answer is not one that this client understands");
  }
  const versions = `the daemon speaks protocol version ${version}, this keyhole ${PROTOCOL_VERSION}`;
  return new KeyholeError("unsupported-version", versions, version > PROTOCOL_VERSION ? UPDATE : undefined);
}

/** For a client that is older than the daemon: another daemon of the same release would not help. */
const UPDATE = "update keyhole";

/** Takes the frame of a request, gives the frame of its reply. */
export interface Exchange {
  exchange(request: Uint8Array): Promise<Uint8Array>;
  /** Ends it, and forgets what it knows. */
  close(): void;
}

export function linkTo(broker: Exchange): Link {
  return {
    request: async <Name extends MessageName>(name: Name, body: RequestOf<Name>): Promise<ResponseOf<Name>> =>
      readAnswer(name, frameOf(await broker.exchange(encodeRequest(name, body)))),
    identify: () => {
      throw new Error("a broker in this process has no peer");
    },
    close: () => broker.close(),
  };
}

function frameOf(reply: Uint8Array): Frame {
  const [frame] = new FrameDecoder(RESPONSE_LIMIT).push(reply);
  if (frame === undefined) throw new Error("the broker gave half a reply");
  return frame;
}
