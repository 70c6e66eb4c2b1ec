// One timer, however many things want to be woken: the earliest wins.
import type { Clock, Timer } from "../../clock.ts";

/** Milliseconds: the longest sleep between two comparisons of the clocks. */
const LONGEST = 15_000;

/** Milliseconds: the shortest sleep between two calls, so that ten thousand sessions cost one loop for many renewals. */
const SHORTEST = 250;

export class Alarm {
  readonly #clock: Clock;
  readonly #action: () => void;
  #timer: Timer | undefined;
  /** When the timer fires, on the monotonic clock. */
  #at = Infinity;
  #rangAt = -Infinity;

  constructor(clock: Clock, action: () => void) {
    this.#clock = clock;
    this.#action = action;
  }

  /** Sees to it that the action runs then or earlier, and within 15 s at the latest. It runs once, then asks again. */
  wakeIn(milliseconds: number): void {
    const now = this.#clock.monotonic();
    const at = Math.max(now + Math.min(milliseconds, LONGEST), this.#rangAt + SHORTEST);
    if (at >= this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    this.#timer = this.#clock.after(at - now, () => this.#ring());
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = Infinity;
  }

  #ring(): void {
    this.#timer = undefined;
    this.#at = Infinity;
    this.#rangAt = this.#clock.monotonic();
    this.#action();
  }
}
