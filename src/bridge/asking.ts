// The end of a bridge on the side of the tools: asks through the pipe, and gives each answer to who waits for it.
import { FrameDecoder } from "../wire/frame.ts";
import { ANSWER_LIMIT, cutFrames, ended, fetchFrame, foreign, isAnswer, tooMany } from "./frames.ts";
import type { Pipe } from "./pipe.ts";

export interface Asker {
  /** A whole frame: the grant's answer, or an error reply of this end. Never rejects. */
  readonly ask: () => Promise<Uint8Array>;
  /** Resolves when the pipe ends. @throws KeyholeError where it breaks, or says what nobody asked for. */
  readonly done: Promise<void>;
}

/** Requests that wait for their answers. Whoever gave up waiting still counts: answers come in order. */
const MOST_WAITING = 256;

/** Asks until the pipe ends, which it notices by itself. */
export function createAsker(pipe: Pipe): Asker {
  const waiting: ((answer: Uint8Array) => void)[] = [];
  const broken = Promise.withResolvers<never>();
  let isOver = false;

  function ask(): Promise<Uint8Array> {
    if (isOver) return Promise.resolve(ended);
    if (waiting.length >= MOST_WAITING) return Promise.resolve(tooMany);
    return new Promise((resolve) => {
      waiting.push(resolve);
      void send();
    });
  }

  async function send(): Promise<void> {
    try {
      await pipe.write(fetchFrame);
    } catch (error) {
      broken.reject(error);
    }
  }

  async function receive(): Promise<void> {
    const decoder = new FrameDecoder(ANSWER_LIMIT);
    for await (const chunk of pipe.incoming) {
      for (const frame of cutFrames(decoder, chunk)) {
        const deliver = isAnswer(frame) ? waiting.shift() : undefined;
        if (deliver === undefined) throw foreign();
        deliver(frame.bytes);
      }
    }
  }

  async function run(): Promise<void> {
    try {
      await Promise.race([receive(), broken.promise]);
    } finally {
      isOver = true;
      for (const give of waiting.splice(0)) give(ended);
    }
  }

  return { ask, done: run() };
}
