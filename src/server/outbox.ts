// The answers of one connection, in the order of their requests: those that are still being made, and those that the
// peer has not taken yet.
import type { Clock } from "../clock.ts";

/** What answers are written to. */
export interface Sink {
  /** Bytes that the kernel took; fewer than given means that `drain` follows, below zero that the peer is gone. */
  write(bytes: Uint8Array): number;
}

export interface OutboxOptions {
  readonly clock: Clock;
  /** Called when the peer begins to take nothing. */
  readonly blocked: () => void;
  /** Called when an answer was made that was not there at once. */
  readonly filled: () => void;
}

/** Answers of one connection that are being made; the rest of its requests waits. */
const MAX_IN_FLIGHT = 32;
/** Answers that are ready and that a peer has not taken yet, in bytes, above which the rest of its requests waits. */
const MAX_UNSENT = 256 * 1024;

/** One answer that is owed; empty while it is still being made. */
interface Slot {
  bytes: Uint8Array | undefined;
}

export class Outbox {
  readonly #sink: Sink;
  readonly #options: OutboxOptions;
  /** In the order of their requests. */
  readonly #slots: Slot[] = [];
  /** Bytes of answers that wait for another's turn. */
  #queued = 0;
  /** Answers that the peer has not taken yet, in pieces: joined anew for each, 256 KiB were copied 100 times. */
  #unsent: Uint8Array[] = [];
  /** Bytes of `#unsent`. */
  #unsentSize = 0;
  #blockedSince: number | undefined;

  constructor(sink: Sink, options: OutboxOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Whether every answer was made; its bytes may still be on their way. */
  get isMade(): boolean {
    return this.#slots.length === 0;
  }

  /** Whether nothing is owed. */
  get isEmpty(): boolean {
    return this.#slots.length === 0 && this.#unsentSize === 0;
  }

  /** Whether another request may be answered. */
  get hasRoom(): boolean {
    return this.#slots.length < MAX_IN_FLIGHT && this.#unsentSize + this.#queued < MAX_UNSENT;
  }

  /** Monotonic time since which the peer has taken nothing. */
  get blockedSince(): number | undefined {
    return this.#blockedSince;
  }

  /** @param reply never rejects */
  answer(reply: Uint8Array | Promise<Uint8Array>): void {
    if (reply instanceof Uint8Array) {
      if (this.#slots.length === 0) this.#send(reply);
      else this.#slots.push(this.#keep({ bytes: undefined }, reply));
      return;
    }
    const slot: Slot = { bytes: undefined };
    this.#slots.push(slot);
    // eslint-disable-next-line promise/prefer-await-to-then -- Dispatch promises that this never rejects
    void reply.then((bytes) => this.#fill(slot, bytes));
  }

  /** The kernel takes bytes again; where it had not taken all. */
  drain(): void {
    const unsent = Buffer.concat(this.#unsent);
    const written = Math.max(this.#sink.write(unsent), 0);
    this.#unsentSize -= written;
    this.#unsent = this.#unsentSize === 0 ? [] : [unsent.subarray(written)];
    if (this.#unsentSize === 0) this.#blockedSince = undefined;
    else if (written > 0) this.#blockedSince = this.#options.clock.monotonic();
  }

  #fill(slot: Slot, bytes: Uint8Array): void {
    if (slot === this.#slots[0]) {
      this.#slots.shift();
      this.#send(bytes);
      while (this.#slots[0]?.bytes !== undefined) this.#sendKept(this.#slots.shift()!.bytes!);
    } else this.#keep(slot, bytes);
    this.#options.filled();
  }

  /** A copy, because a session wipes its bytes when they are replaced, which may be before it is their turn. */
  #keep(slot: Slot, bytes: Uint8Array): Slot {
    slot.bytes = bytes.slice();
    this.#queued += bytes.length;
    return slot;
  }

  #sendKept(bytes: Uint8Array): void {
    this.#queued -= bytes.length;
    this.#send(bytes);
  }

  #send(bytes: Uint8Array): void {
    const isBlocked = this.#unsentSize > 0;
    const written = isBlocked ? 0 : this.#sink.write(bytes);
    if (written < 0 || written === bytes.length) return;
    // A copy, because a session wipes its bytes when they are replaced.
    this.#unsent.push(bytes.slice(written));
    this.#unsentSize += bytes.length - written;
    if (isBlocked) return;
    this.#blockedSince = this.#options.clock.monotonic();
    this.#options.blocked();
  }
}
