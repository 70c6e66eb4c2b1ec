// A frame in, the reply's frame out: finds the handler, decodes, calls, encodes. Knows no socket.
import { errors, KeyholeError, keyholeErrorOf } from "../errors.ts";
import { parseSessionName } from "../config/name.ts";
import { decode, encode, MalformedBody } from "../wire/codec.ts";
import { BODY_START, encodeFrame, type Frame } from "../wire/frame.ts";
import {
  ERROR_NUMBER,
  errorReply,
  type MessageName,
  messageNameOf,
  messages,
  PROTOCOL_VERSION,
  type RequestOf,
  type ResponseOf,
} from "../wire/messages.ts";
import type { Log } from "./log.ts";
import type { WitnessedPeer } from "./peers.ts";

/** The message numbers of this build, for people: `1 to 8`. */
const SPOKEN = `1 to ${Math.max(...Object.values(messages).map(({ number }) => number))}`;

/** One connection as handlers see it. */
export interface Caller extends WitnessedPeer {
  /** Counts connections; names one in the log. */
  readonly connection: number;
}

/** A finished frame, for answers that are kept ready. */
export type Handled<Name extends MessageName> = ResponseOf<Name> | Uint8Array;

/** A handler for every message of the table; a missing one does not compile. */
export type Handlers = {
  readonly [Name in MessageName]: (request: RequestOf<Name>, caller: Caller) => Handled<Name> | Promise<Handled<Name>>;
};

/**
 * Answers one frame. Returns the reply at once where the handler does, so that a warm vend takes no turn of the event
 * loop. A promise never rejects.
 *
 * @throws MalformedBody only; the connection that sent it cannot be trusted to frame the next one.
 */
export type Dispatch = (frame: Frame, caller: Caller) => Uint8Array | Promise<Uint8Array>;

/** @param hearsHelpers whether the client is told what a helper said: the owner alone */
export function createDispatch(handlers: Handlers, log: Log, hearsHelpers: boolean): Dispatch {
  return (frame, caller) => {
    if (frame.version !== PROTOCOL_VERSION) {
      return encodeError(
        new KeyholeError(
          "unsupported-version",
          `this daemon speaks protocol version ${PROTOCOL_VERSION}, the client ${frame.version}`,
          // A client that is newer needs another daemon; one that is older would ask that one in vain.
          frame.version < PROTOCOL_VERSION ? "update keyhole" : undefined,
        ),
      );
    }
    const name = messageNameOf(frame.message);
    if (name === undefined) {
      return encodeError(
        new KeyholeError(
          "unknown-message",
          `this daemon speaks messages ${SPOKEN} of protocol version ${PROTOCOL_VERSION}, not ${frame.message}`,
        ),
      );
    }
    return call(name, frame, caller);
  };

  function call(name: MessageName, frame: Frame, caller: Caller): Uint8Array | Promise<Uint8Array> {
    // The table ties each name to its types; here, where any name may come, only `any` spans them.
    const body = decode<any>(messages[name].request, frame.bytes, BODY_START);
    const handle = handlers[name] as (request: any, caller: Caller) => unknown;
    try {
      const answer = handle(body, caller);
      return answer instanceof Promise ? settle(answer, name, body, caller) : encodeReply(name, answer);
    } catch (error) {
      return fail(error, name, body, caller);
    }
  }

  async function settle(answer: Promise<unknown>, name: MessageName, body: any, caller: Caller): Promise<Uint8Array> {
    try {
      return encodeReply(name, await answer);
    } catch (error) {
      return fail(error, name, body, caller);
    }
  }

  function fail(error: unknown, name: MessageName, body: any, caller: Caller): Uint8Array {
    logFailure(name, body.config, caller, error);
    return encodeError(error, hearsHelpers);
  }

  function logFailure(message: MessageName, config: string | undefined, caller: Caller, error: unknown): void {
    const { pid, uid, connection } = caller;
    // What is no name may be 4 KiB of anything, and every line of it takes the room of ten.
    const named = config !== undefined && parseSessionName(config) !== undefined ? config : undefined;
    const request = { message, config: named, pid, uid, connection };
    if (error instanceof KeyholeError) log("info", "request failed", { ...request, kind: error.kind });
    else log("error", "handler failed", { ...request, stack: error instanceof Error ? error.stack : String(error) });
  }
}

function encodeReply(name: MessageName, answer: unknown): Uint8Array {
  if (answer instanceof Uint8Array) return answer;
  const { number, response } = messages[name];
  return encodeFrame(number, encode<any>(response, answer));
}

/** An error reply. */
export function encodeError(error: unknown, hearsHelpers = false): Uint8Array {
  if (error instanceof MalformedBody) return encodeError(new KeyholeError("bad-request", error.message));
  const { kind, message: plain, told, hint } = keyholeErrorOf(error);
  const message = hearsHelpers ? told : plain;
  const body = encode(errorReply, { number: errors[kind].number, message: message.slice(0, LONGEST_MESSAGE), hint });
  return encodeFrame(ERROR_NUMBER, body);
}

/** Characters; AWS's longest messages are about 2,000. */
const LONGEST_MESSAGE = 8000;
