// A client without manners: any bytes, on as many connections as it likes, read or not.
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame, type Frame, FrameDecoder, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { type MessageName, messages, type RequestOf } from "../../src/wire/messages.ts";

export interface Peer {
  /** Whole frames that the daemon sent. @throws MalformedFrame if it sent anything else. */
  readonly frames: readonly Frame[];
  /** By the daemon, or by `close`. */
  readonly isClosed: boolean;
  readonly closed: Promise<void>;
  /** Resolves to whether the kernel took the bytes; false where the connection is gone. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Reads nothing any more. */
  pause(): void;
  /** No further bytes will come; the daemon's answers still do. */
  finish(): void;
  close(): void;
}

/** Connects, again and again where the daemon's backlog is full, as a keyhole client does. */
export async function dial(path: string): Promise<Peer> {
  for (;;) {
    const socket = connect({ path, allowHalfOpen: true });
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    socket.once("connect", () => resolve(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    const failure = await promise;
    if (failure === undefined || failure === "ECONNRESET") return peerOf(socket);
    if (failure !== "ECONNREFUSED") throw new Error(`cannot connect: ${failure}`);
    await Bun.sleep(2);
  }
}

function peerOf(socket: Socket): Peer {
  const decoder = new FrameDecoder(RESPONSE_LIMIT);
  const frames: Frame[] = [];
  const gone = Promise.withResolvers<void>();
  let isClosed = socket.destroyed;
  let failure: unknown;
  if (isClosed) gone.resolve();
  socket.on("data", (chunk: Buffer) => {
    try {
      frames.push(...decoder.push(chunk));
    } catch (error) {
      failure = error;
    }
  });
  // An abrupt end is one as well.
  socket.on("error", () => {});
  socket.on("end", () => socket.destroy());
  socket.on("close", () => {
    isClosed = true;
    gone.resolve();
  });
  return {
    get frames() {
      if (failure !== undefined) throw failure;
      return frames;
    },
    get isClosed() {
      return isClosed;
    },
    closed: gone.promise,
    write: async (bytes) => {
      if (isClosed) return false;
      if (socket.write(bytes)) return true;
      const drained = Promise.withResolvers<boolean>();
      socket.once("drain", () => drained.resolve(true));
      return Promise.race([drained.promise, gone.promise.then(() => false)]);
    },
    pause: () => socket.pause(),
    finish: () => socket.end(),
    close: () => socket.destroy(),
  };
}

/** A well-formed request as bytes. */
export function request<Name extends MessageName>(name: Name, body: RequestOf<Name>): Uint8Array {
  return encodeFrame(messages[name].number, encode<any>(messages[name].request, body));
}

/** The start of a frame that announces `length` bytes. */
export function announce(length: number): Uint8Array {
  const bytes = new Uint8Array(6);
  new DataView(bytes.buffer).setUint32(0, length);
  bytes.set([1, messages.Vend.number], 4);
  return bytes;
}

/** Writes the same bytes again and again. Returns how often they went before the daemon closed. */
export async function pour(peer: Peer, bytes: Uint8Array, times: number): Promise<number> {
  let poured = 0;
  while (poured < times && (await peer.write(bytes))) poured += 1;
  return poured;
}

/** The most memory that a process ever had, in MiB. */
export function peakMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

/** What a process has open. Only root may look into a daemon. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Numbers from 0 up to 1, the same ones for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
