// A large body past node:http's parser, which copies every byte of it: in Bun 1.4.5 that is 250 to 350 ms of CPU time of the
// 1,000 that a GiB takes. What a head says is the parser's to read, and so is every body that does not say its length.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** Bytes of a body; more than a socket gives at once, so that it never ends in the turn in which it began. */
const LARGE = 2 ** 20;
/** Bytes of a body that have come and are not read. */
export const MOST_HELD = 256 * 1024;

/** Of Node's HTTP parser; `initialize` is how Node makes it ready for a next message. */
interface Parser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void;
  readonly constructor: { readonly REQUEST: number; readonly RESPONSE: number };
}

/** For the listener of `request` or `response`, when nothing of the body has been parsed; neither is HEAD's. */
export function bypassParser(message: IncomingMessage, type: "REQUEST" | "RESPONSE", maxHeaderSize: number): void {
  const length = /^\d+$/.test(message.headers["content-length"] ?? "") ? Number(message.headers["content-length"]) : 0;
  if (length < LARGE || message.headers["transfer-encoding"] !== undefined) return;
  const socket = message.socket as Socket & { readonly parser: Parser };
  const parse = socket.listeners("data")[0] as (bytes: Buffer) => void;
  const { parser } = socket;
  let left = length;
  // What came with the head is the parser's still.
  const push = message.push.bind(message);
  message.push = (part: Buffer | null) => {
    left -= part?.length ?? 0;
    return push(part);
  };
  const take = (bytes: Buffer) => {
    const part = bytes.subarray(0, left);
    message.push(part);
    if (left > 0) {
      if (message.readableLength >= MOST_HELD) socket.pause();
      return;
    }
    socket.prependListener("data", parse);
    socket.off("data", take);
    parser.initialize(parser.constructor[type], {}, maxHeaderSize, 0);
    // As the parser does, and then its owner, who looks whether the message is complete.
    message.complete = true;
    message.push(null);
    parse.call(socket, bytes.subarray(part.length));
  };
  socket.prependListener("data", take);
  socket.off("data", parse);
}
