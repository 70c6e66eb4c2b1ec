// A bounded number of things at once: first come, first served, and those that a request waits for go first.
import type { Clock } from "../../clock.ts";

/** Gives a slot back. */
export type Release = () => void;

/** Called with its slot when its turn has come. */
export type Ticket = (release: Release) => void;

/** Who goes before whom: what a request waits for, what none waits for, and what hung the last time. */
export type Rank = "urgent" | "background" | "suspect";

/**
 * Milliseconds. A slot that is held for longer does not count any more, so that calls that hang stop no others. STS
 * answers in 50 to 300 ms: where it does, the bound is one on calls under way, and else one of 20 calls a second.
 */
export const OVERDUE = 400;

/** Slots that are held, overdue ones included: each is a connection, and memory in the worker. */
const MOST = 128;

export class Semaphore {
  readonly #limit: number;
  readonly #clock: Clock;
  #held = 0;
  #overdue = 0;
  readonly #queues: Readonly<Record<Rank, Set<Ticket>>> = {
    urgent: new Set(),
    background: new Set(),
    suspect: new Set(),
  };
  #filling = false;

  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** All slots are free, and so nothing waits. */
  get isIdle(): boolean {
    return this.#held === 0;
  }

  /** Queues a ticket; calls it at once if a slot is free. */
  enter(ticket: Ticket, rank: Rank): void {
    this.#queues[rank].add(ticket);
    this.#fill();
  }

  /** A request waits for a ticket that was queued as background. */
  hurry(ticket: Ticket): void {
    if (this.#queues.background.delete(ticket)) this.#queues.urgent.add(ticket);
  }

  /** Takes a ticket out of the queue. False if it is not there (any more): it may have been called. */
  leave(ticket: Ticket): boolean {
    return Object.values(this.#queues).some((queue) => queue.delete(ticket));
  }

  /** Not re-entered: a ticket that releases at once is met by the loop, not by recursion. */
  #fill(): void {
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (this.#held - this.#overdue < this.#limit && this.#held < MOST) {
        const ticket = first(this.#queues.urgent) ?? first(this.#queues.background) ?? first(this.#queues.suspect);
        if (ticket === undefined) return;
        this.leave(ticket);
        ticket(this.#take());
      }
    } finally {
      this.#filling = false;
    }
  }

  #take(): Release {
    this.#held += 1;
    let isOverdue = false;
    const timer = this.#clock.after(OVERDUE, () => {
      isOverdue = true;
      this.#overdue += 1;
      this.#fill();
    });
    return () => {
      timer.cancel();
      this.#held -= 1;
      if (isOverdue) this.#overdue -= 1;
      this.#fill();
    };
  }
}

/** A Set keeps the order of insertion and deletes in constant time: a queue that can be left. */
function first(queue: ReadonlySet<Ticket>): Ticket | undefined {
  return queue.values().next().value;
}
