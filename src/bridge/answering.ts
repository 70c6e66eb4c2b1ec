// The end of a bridge on the side of the grant: answers what comes through the pipe.
import { encodeError } from "../server/dispatch.ts";
import { FrameDecoder } from "../wire/frame.ts";
import type { ResponseOf } from "../wire/messages.ts";
import { cutFrames, encodeAnswer, forbidden, isFetch, REQUEST_LIMIT } from "./frames.ts";
import type { Pipe } from "./pipe.ts";

/**
 * Answers until the pipe ends. One request after the other: nothing piles up here, whatever the other end sends, because
 * no more is read meanwhile; and the grant gives all of them the same credentials anyway.
 *
 * @param fetch asks the grant. @throws KeyholeError which goes to the other end
 * @throws KeyholeError `bad-request` for bytes that are no frames, `unreachable` if the other end does not read
 */
export async function answerRequests(pipe: Pipe, fetch: () => Promise<ResponseOf<"Fetch">>): Promise<void> {
  const decoder = new FrameDecoder(REQUEST_LIMIT);
  for await (const chunk of pipe.incoming) {
    for (const frame of cutFrames(decoder, chunk)) await pipe.write(isFetch(frame) ? await ask(fetch) : forbidden);
  }
}

async function ask(fetch: () => Promise<ResponseOf<"Fetch">>): Promise<Uint8Array> {
  try {
    return encodeAnswer(await fetch());
  } catch (error) {
    return encodeError(error);
  }
}
