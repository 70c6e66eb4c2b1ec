// A bounded number of things at once: first come, first served, and those whom somebody waits for go first.

/** Called when its turn has come; whoever was called gives the slot back with `release`. */
export type Ticket = () => void;

export class Slots {
  readonly #limit: number;
  #free: number;
  readonly #urgent = new Set<Ticket>();
  readonly #background = new Set<Ticket>();
  #filling = false;

  constructor(limit: number) {
    this.#limit = limit;
    this.#free = limit;
  }

  /** Nobody has a slot, and so nobody waits. */
  get isIdle(): boolean {
    return this.#free === this.#limit;
  }

  /** Queues a ticket; calls it at once if a slot is free. */
  enter(ticket: Ticket, urgent: boolean): void {
    (urgent ? this.#urgent : this.#background).add(ticket);
    this.#fill();
  }

  /** Somebody waits for a ticket that was queued as background. */
  hurry(ticket: Ticket): void {
    if (this.#background.delete(ticket)) this.#urgent.add(ticket);
  }

  /** Takes a ticket out of the queue. False if it is not there (any more): it may have been called. */
  leave(ticket: Ticket): boolean {
    return this.#urgent.delete(ticket) || this.#background.delete(ticket);
  }

  release(): void {
    this.#free += 1;
    this.#fill();
  }

  /** Not re-entered: a ticket that releases at once is met by the loop, not by recursion. */
  #fill(): void {
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (this.#free > 0) {
        const ticket = first(this.#urgent) ?? first(this.#background);
        if (ticket === undefined) return;
        this.leave(ticket);
        this.#free -= 1;
        ticket();
      }
    } finally {
      this.#filling = false;
    }
  }
}

/** A Set keeps the order of insertion and deletes in constant time: a queue that can be left. */
function first(queue: ReadonlySet<Ticket>): Ticket | undefined {
  return queue.values().next().value;
}
