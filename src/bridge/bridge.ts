// The end of a bridge on the side of the tools: asks through the pipe, and gives each answer to who waits for it.
import { FrameDecoder } from "../wire/frame.ts";
import {
  ANSWER_LIMIT,
  cutFrames,
  encodeAnswer,
  ended,
  fetchFrame,
  forbidden,
  foreign,
  isAnswer,
  isFetch,
  type Pipe,
  REQUEST_LIMIT,
  tooMany,
} from "./pipe.ts";
import { encodeError } from "../server/dispatch.ts";
import type { ResponseOf } from "../wire/messages.ts";
import { systemClock } from "../clock.ts";
import { listen, type Listener } from "../server/listener.ts";
import type { PeerIdentity } from "../native/native.ts";

export interface Asker {
  /** A whole frame: the grant's answer, or an error reply of this end. Never rejects. */
  readonly ask: () => Promise<Uint8Array>;
  /** Resolves when the pipe ends. @throws KeyholeError where it breaks, or says what was not asked for. */
  readonly done: Promise<void>;
}

/** Requests that wait for their answers. A caller that gave up still counts: answers come in order. */
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

// The end of a bridge on the side of the grant: answers what comes through the pipe.

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
    for (const frame of cutFrames(decoder, chunk)) await pipe.write(isFetch(frame) ? await answer(fetch) : forbidden);
  }
}

async function answer(fetch: () => Promise<ResponseOf<"Fetch">>): Promise<Uint8Array> {
  try {
    return encodeAnswer(await fetch());
  } catch (error) {
    return encodeError(error);
  }
}

// The socket on the side of the tools: to them it is the grant's.

/** For the user who runs this end: no other user of this sandbox was given the grant. */
const OWNER_ONLY = 0o600;
/** As a grant's socket. */
const MAX_CONNECTIONS = 32;

export interface SocketOptions {
  /** Absolute; in a directory that is private. */
  readonly path: string;
  /** @throws Error if the kernel does not say who it is. */
  readonly identify: (socket: object) => PeerIdentity;
  readonly isAllowed: (peer: PeerIdentity) => boolean;
}

/** With the limits and deadlines of the daemon's own sockets. @throws KeyholeError as `listen` does. */
export function serveSocket({ ask }: Pick<Asker, "ask">, options: SocketOptions): Promise<Listener> {
  return listen({
    ...options,
    clock: systemClock,
    mode: OWNER_ONLY,
    maxConnections: MAX_CONNECTIONS,
    requestLimit: REQUEST_LIMIT,
    dispatch: (frame) => (isFetch(frame) ? ask() : forbidden),
    refusal: () => forbidden,
    // Whose requests these are the grant's daemon writes down.
    log: () => {},
  });
}
