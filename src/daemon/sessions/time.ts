// AWS's time, as well as this machine can know it: the wall clock, corrected by the skew that STS showed. And the timer
// that wakes whatever waits for it.
import type { Clock, Timer } from "../../clock.ts";
import type { Instant } from "./refresh.ts";

/** Milliseconds. Two clocks that drift apart by more than this between two readings: a step, or a suspend. */
const JUMP = 30_000;

/** Milliseconds. Smaller skews are the rounding of a Date header and the way of the answer, not skew. */
const SMALLEST_SKEW = 2_000;

/**
 * The instant of the last `read`. `wall` may run ahead of AWS's clock after a jump, and never falls behind, so that
 * credentials may seem older than they are and never younger: a jump back can only be a step, and is taken out of the
 * correction; a jump forward may be a step or a sleep, which look alike, and counts as time that passed; and either may
 * be the moment when a clock that ran ahead was set right. The next measurement puts it right. What stays unseen: a
 * step back and a sleep between the same two readings, on a clock that was right before.
 */
export class Time implements Instant {
  wall = 0;
  monotonic = 0;
  /** How often the clocks jumped so far. */
  jumps = 0;
  readonly #clock: Clock;
  /** AWS's clock minus this machine's. */
  #correction = 0;
  /** Whether that was measured, and no jump has come since. */
  #isMeasured = false;
  /** The wall clock minus the monotonic one. */
  #offset: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offset = clock.wall() - clock.monotonic();
    this.read();
  }

  /** Reads both clocks. Returns by how much the wall clock jumped since the last reading, 0 if it did not. */
  read(): number {
    const wall = this.#clock.wall();
    this.monotonic = this.#clock.monotonic();
    const offset = wall - this.monotonic;
    const drift = offset - this.#offset;
    this.#offset = offset;
    const jump = Math.abs(drift) > JUMP ? drift : 0;
    if (jump !== 0) {
      this.jumps += 1;
      this.#isMeasured = false;
      this.#correction = Math.max(this.#correction + Math.max(-jump, 0), 0);
    }
    this.wall = wall + this.#correction;
    return jump;
  }

  /** Takes in a skew that was measured just now; undefined where the answer had no date. */
  measured(skew: number | undefined): void {
    if (skew === undefined) return;
    const correction = Math.abs(skew) < SMALLEST_SKEW ? 0 : skew;
    this.wall += correction - this.#correction;
    this.#correction = correction;
    this.#isMeasured = true;
  }

  /** This machine's wall clock, uncorrected, at the last reading. */
  get local(): number {
    return this.wall - this.#correction;
  }

  /** AWS's clock minus this machine's; undefined until measured, and again after a jump. */
  get skew(): number | undefined {
    return this.#isMeasured ? this.#correction : undefined;
  }
}

/** Milliseconds: the longest sleep between two comparisons of the clocks. */
const LONGEST = 15_000;

/** Milliseconds: the shortest sleep between two calls, so that ten thousand sessions cost one loop for many renewals. */
const SHORTEST = 250;

/** One timer, however many things want to be woken: the earliest wins. */
export class WakeTimer {
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
