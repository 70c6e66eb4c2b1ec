// What a grant's socket has already said to the express lane, as the error that it is.
import type { Refusal } from "../../client/express.ts";
import { replyError } from "../../client/messaging.ts";
import type { KeyholeError } from "../../errors.ts";
import { MalformedBody } from "../../wire/codec.ts";
import { FrameDecoder, RESPONSE_LIMIT } from "../../wire/frame.ts";
import { failureInside } from "./inside.ts";

/** @param refusal a whole frame with an error reply, or the end of all patience */
export function readRefusal(refusal: Refusal): KeyholeError {
  if (refusal === "timeout") return failureInside("timeout");
  try {
    const [frame] = new FrameDecoder(RESPONSE_LIMIT).push(refusal);
    return replyError(frame!.body);
  } catch (error) {
    if (!(error instanceof MalformedBody)) throw error;
    return failureInside("unsupported-version");
  }
}
