// A broker inside of this process, asked as a daemon is. What it is made of belongs to the daemon's side; bytes are
// where the two meet, as on a socket.
import { type Frame, FrameDecoder, RESPONSE_LIMIT } from "../wire/frame.ts";
import type { MessageName, RequestOf, ResponseOf } from "../wire/messages.ts";
import { encodeRequest, readAnswer } from "./messaging.ts";
import type { Link } from "./patience.ts";

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
      throw new Error("nobody is at the other end of a broker in this process");
    },
    close: () => broker.close(),
  };
}

function frameOf(reply: Uint8Array): Frame {
  const [frame] = new FrameDecoder(RESPONSE_LIMIT).push(reply);
  if (frame === undefined) throw new Error("the broker gave half a reply");
  return frame;
}
