// The clients of the soak: each is told what to ask, checks every answer, and writes down how it went.
import { decode, encode } from "../../../src/wire/codec.ts";
import { encodeFrame, type Frame, FrameDecoder, RESPONSE_LIMIT } from "../../../src/wire/frame.ts";
import { errorReply, ERROR_NUMBER, messages } from "../../../src/wire/messages.ts";

/** What happened since it was last read. */
export interface Tally {
  answers: number;
  /** Of single requests, in milliseconds; a burst measures its own queue. */
  latencies: number[];
  /** How often, by what was wrong. */
  readonly failures: Map<string, number>;
}

export function newTally(): Tally {
  return { answers: 0, latencies: [], failures: new Map() };
}

export function fail(tally: Tally, what: string): void {
  tally.failures.set(what, (tally.failures.get(what) ?? 0) + 1);
}

/** A connection on which answers are counted. */
export interface Client {
  /** Sends so many requests at once, and resolves with their answers. Rejects when the connection ends before. */
  ask(frames: Uint8Array, count: number): Promise<Frame[]>;
  /** Bytes that nobody waits for. */
  write(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  close(): void;
  /** Resolves when the daemon has closed it. */
  readonly closed: Promise<void>;
}

/** Milliseconds that an answer, or an end, may take. */
const DEADLINE = 20_000;

export async function openClient(path: string): Promise<Client> {
  const decoder = new FrameDecoder(RESPONSE_LIMIT);
  const closed = Promise.withResolvers<void>();
  const waiting: { left: number; frames: Frame[]; resolve: (frames: Frame[]) => void; reject: (e: Error) => void }[] =
    [];
  let unsent: Uint8Array = new Uint8Array(0);
  const deliver = (frame: Frame): void => {
    const first = waiting[0];
    // The refusal of bytes that nobody waits for an answer to.
    if (first === undefined) return;
    first.frames.push(frame);
    first.left -= 1;
    if (first.left > 0) return;
    waiting.shift();
    first.resolve(first.frames);
  };
  const send = (bytes: Uint8Array): void => {
    const all = unsent.length === 0 ? bytes : Buffer.concat([unsent, bytes]);
    unsent = all.subarray(Math.max(0, socket.write(all)));
  };
  const end = (): void => {
    closed.resolve();
    for (const { reject } of waiting.splice(0)) reject(new Error("the daemon closed the connection"));
  };
  const socket = await Bun.connect({
    unix: path,
    socket: {
      binaryType: "uint8array",
      data: (_, chunk) => {
        for (const frame of decoder.push(chunk)) deliver(frame);
      },
      drain: () => send(new Uint8Array(0)),
      close: end,
      error: end,
    },
  });
  return {
    ask: (frames, count) => {
      const { promise, resolve, reject } = Promise.withResolvers<Frame[]>();
      waiting.push({ left: count, frames: [], resolve, reject });
      send(frames);
      return promise;
    },
    write: send,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.end(),
    closed: closed.promise,
  };
}

export function vendFrame(config: string): Uint8Array {
  const { number, request } = messages.Vend;
  return encodeFrame(number, encode(request, { config }));
}

/** What is wrong with the answer to a vend; cheap, for every one of them. */
export function defectOf(frame: Frame): string | undefined {
  if (frame.message === messages.Vend.number) return undefined;
  if (frame.message !== ERROR_NUMBER) return `an answer of message ${frame.message}`;
  return `error: ${decode(errorReply, frame.body).message}`;
}

/** What is wrong with the credentials in it; `isIssued` knows the keys that STS gave out. */
export function credentialDefectOf(frame: Frame, config: string, isIssued: (key: string) => boolean) {
  const defect = defectOf(frame);
  if (defect !== undefined) return defect;
  const answer = decode(messages.Vend.response, frame.body);
  const line = JSON.parse(Buffer.from(answer.line).toString()) as { AccessKeyId: string; Expiration: string };
  if (answer.config !== config) return "credentials of another config";
  if (!isIssued(line.AccessKeyId)) return "a key that STS never issued";
  // The daemon's floor is 60 s; a second for the way.
  return Date.parse(line.Expiration) - Date.now() < 59_000 ? "credentials with less than 59 s left" : undefined;
}

/** Rejects after the deadline, so that a soak never hangs on one client. */
export async function within<Value>(promise: Promise<Value>, what: string, milliseconds = DEADLINE): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
