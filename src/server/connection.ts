// One accepted connection: bytes in, answers out in the order of their requests, within limits. A hostile or stuck
// peer costs a bounded amount of memory and time, and no one else anything.
import { KeyholeError } from "../errors.ts";
import { type Frame, FrameDecoder, MalformedFrame } from "../wire/frame.ts";
import type { Clock } from "../clock.ts";
import { type Caller, type Dispatch, encodeError } from "./dispatch.ts";
import type { Log } from "./log.ts";
import { Outbox, type Sink } from "./outbox.ts";

/** What a connection needs of its socket; Bun's has it. */
export interface ByteSocket extends Sink {
  end(): void;
  pause(): void;
  resume(): void;
}

export interface ConnectionOptions {
  /** Largest request, in bytes behind the length field. */
  readonly requestLimit: number;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  readonly log: Log;
  /** The reply to bytes that are no request, after which the connection ends; `bad-request` with the reason if absent. */
  readonly refusal?: ((caller: Caller) => Uint8Array) | undefined;
  /**
   * Requests that a connection may pile up and have answered before it rests for `REST`, so that a peer that sends without
   * waiting does not hold the event loop. No limit if absent. One that waits for its answers never rests.
   */
  readonly mostAtOnce?: number | undefined;
  /** Called when a deadline begins: `isOverdue` is to be asked from now on. */
  readonly deadlineBegan?: (() => void) | undefined;
}

/** A request must be complete this long after its first byte, in milliseconds. */
const REQUEST_DEADLINE = 2000;
/** A reader that takes nothing for this long is dropped, in milliseconds. */
const WRITE_DEADLINE = 5000;
/**
 * `mostAtOnce` for peers who are not the daemon's owner: an SDK asks once, and 32 connections with so many in 10 ms leave
 * most of a CPU to the other peers.
 */
export const MOST_AT_ONCE = 16;
/** Milliseconds for which a connection rests after `mostAtOnce` requests. */
const REST = 10;
/** Bytes that are cut into requests at once: a frame that is cut costs 20 times what its bytes do. */
const PIECE = 4 * 1024;
/** Bytes, from which on what the peer does not read is not left to the garbage collector. */
const LARGE = 16 * 1024;
const NOTHING = new Uint8Array(0);

export class Connection {
  readonly caller: Caller;
  /** A number that grows with every use of any connection; the listener counts. */
  lastUse = 0;
  readonly #socket: ByteSocket;
  readonly #options: ConnectionOptions;
  readonly #decoder: FrameDecoder;
  /** Bytes that have arrived and are not cut into requests yet. */
  #uncut: Uint8Array = NOTHING;
  /** Requests that have arrived and are not taken up yet. */
  #inbox: readonly Frame[] = [];
  readonly #outbox: Outbox;
  #isPaused = false;
  /** Requests that may be answered before the next rest. */
  #allowance: number;
  #isResting = false;
  /** No further bytes are read; the connection ends when everything is answered. */
  #isEnding = false;
  #hasEnded = false;
  /** The reply to bytes that are no request; it follows the answers to what stood before them. */
  #refusal: Uint8Array | undefined;
  /** Monotonic time of the first byte of a request that is incomplete. */
  #partialSince: number | undefined;

  constructor(socket: ByteSocket, caller: Caller, options: ConnectionOptions) {
    this.#socket = socket;
    this.caller = caller;
    this.#options = options;
    this.#decoder = new FrameDecoder(options.requestLimit);
    this.#outbox = new Outbox(socket, {
      clock: options.clock,
      blocked: () => options.deadlineBegan?.(),
      filled: () => this.#settle(),
    });
    this.#allowance = options.mostAtOnce ?? Infinity;
  }

  /** Whether an answer is owed. */
  get isBusy(): boolean {
    return !this.#isIdle || this.#refusal !== undefined;
  }

  /** Whether nothing stands before what arrives. */
  get #isIdle(): boolean {
    return this.#outbox.isEmpty && !this.#hasMore;
  }

  /** Whether anything has arrived that is not taken up. */
  get #hasMore(): boolean {
    return this.#inbox.length > 0 || this.#uncut.length > 0;
  }

  /** Whether a deadline is running. */
  get hasDeadline(): boolean {
    return this.#partialSince !== undefined || this.#outbox.blockedSince !== undefined;
  }

  /** Whether a deadline has passed at that monotonic time; the connection is then to be cut. */
  isOverdue(now: number): boolean {
    const partial = now - (this.#partialSince ?? now);
    const blocked = now - (this.#outbox.blockedSince ?? now);
    return partial >= REQUEST_DEADLINE || blocked >= WRITE_DEADLINE;
  }

  /** Takes bytes off the wire. */
  receive(chunk: Uint8Array): void {
    if (this.#isEnding) return release(chunk);
    try {
      const frame = this.#isIdle ? this.#decoder.lone(chunk) : undefined;
      if (frame !== undefined) return this.#outbox.answer(this.#options.dispatch(frame, this.caller));
    } catch (error) {
      this.#refuse(error);
    }
    if (!this.#isEnding) this.#uncut = this.#uncut.length === 0 ? chunk : Buffer.concat([this.#uncut, chunk]);
    this.#serve();
  }

  /** The kernel takes bytes again. */
  drain(): void {
    if (this.#outbox.blockedSince === undefined) return;
    this.#outbox.drain();
    this.#settle();
  }

  /** No further requests: the peer sent its last byte, or the daemon ends. What is owed is still sent. */
  finish(): void {
    this.#isEnding = true;
    this.#settle();
  }

  /** The peer is gone: what it asked and no handler has taken up is not to be counted as a use of anything. */
  drop(): void {
    this.#uncut = NOTHING;
    this.#inbox = [];
    this.#isEnding = true;
    this.#hasEnded = true;
  }

  /** Answers what has arrived, as far as the limits allow. */
  #serve(): void {
    let next = 0;
    try {
      while (this.#allowance > 0 && this.#outbox.hasRoom) {
        if (next < this.#inbox.length) {
          this.#allowance -= 1;
          this.#outbox.answer(this.#options.dispatch(this.#inbox[next++]!, this.caller));
        } else if (this.#uncut.length > 0) {
          next = 0;
          this.#cut();
        } else break;
      }
      this.#inbox = next === this.#inbox.length ? [] : this.#inbox.slice(next);
    } catch (error) {
      this.#inbox = [];
      this.#refuse(error);
    }
    this.#pause(this.#hasMore);
    if (this.#hasMore) return this.#rest();
    if (this.#refusal === undefined) return;
    this.#outbox.answer(this.#refusal);
    this.#refusal = undefined;
    this.#settle();
  }

  /** Makes the next requests of the bytes that wait. */
  #cut(): void {
    const piece = this.#uncut.subarray(0, PIECE);
    this.#uncut = this.#uncut.subarray(PIECE);
    try {
      this.#inbox = this.#decoder.push(piece);
      this.#watchRequest(this.#inbox.length > 0);
    } catch (error) {
      this.#refuse(error);
      this.#inbox = error instanceof MalformedFrame ? error.completed : [];
      // Requests are views into it.
      if (this.#inbox.length === 0 && this.#outbox.isMade) release(piece);
    }
  }

  #rest(): void {
    if (this.#allowance > 0 || this.#isResting) return;
    this.#isResting = true;
    this.#options.clock.after(REST, () => {
      this.#isResting = false;
      this.#allowance = this.#options.mostAtOnce ?? Infinity;
      this.#settle();
    });
  }

  #pause(wanted: boolean): void {
    if (wanted === this.#isPaused) return;
    this.#isPaused = wanted;
    if (wanted) this.#socket.pause();
    else this.#socket.resume();
  }

  /** After something left: takes up requests that waited, or ends a connection that waited only for this. */
  #settle(): void {
    if (this.#hasMore) this.#serve();
    if (!this.#isEnding || this.#hasEnded || this.isBusy) return;
    this.#hasEnded = true;
    this.#socket.end();
  }

  #refuse(error: unknown): void {
    const reason = error instanceof Error ? error.message : "malformed";
    this.#options.log("warn", "malformed request", { pid: this.caller.pid, uid: this.caller.uid, reason });
    this.#partialSince = undefined;
    this.#uncut = NOTHING;
    this.#isEnding = true;
    this.#refusal = this.#options.refusal?.(this.caller) ?? encodeError(new KeyholeError("bad-request", reason));
  }

  /** @param isAnother whether what is incomplete now is another request than before */
  #watchRequest(isAnother: boolean): void {
    if (!this.#decoder.isPartial) this.#partialSince = undefined;
    else if (isAnother) this.#partialSince = this.#options.clock.monotonic();
    else this.#partialSince ??= this.#options.clock.monotonic();
    if (this.#partialSince !== undefined) this.#options.deadlineBegan?.();
  }
}

/** Gives memory back at once: a peer that floods the daemon makes 200 KiB of garbage with every connection. */
function release({ buffer }: Uint8Array): void {
  if (buffer.byteLength >= LARGE && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
