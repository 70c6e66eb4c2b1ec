// AWS's time, as well as this machine can know it: the wall clock, corrected by the skew that STS showed.
import type { Clock } from "./clock.ts";
import type { Instant } from "./refresh.ts";

/** Two clocks that drift apart by more than this between two readings: a step, or a suspend (DESIGN.md, 6). */
const JUMP = 30_000;

/** Smaller skews are the rounding of a Date header and the way of the answer, not skew. */
const SMALLEST_SKEW = 2_000;

/**
 * The instant of the last `read`. After a jump the skew from before is suspect: a step has made it wrong, a suspend
 * has not, and the two look alike. Until it is measured again the later of both guesses counts, so that credentials
 * seem older than they are and never younger.
 */
export class Time implements Instant {
  wall = 0;
  monotonic = 0;
  /** How often the clocks jumped so far. */
  jumps = 0;
  readonly #clock: Clock;
  #skew: number | undefined;
  #suspect = false;
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
      this.#suspect = true;
    }
    this.wall = wall + this.#correction();
    return jump;
  }

  /** Takes in a skew that was measured just now; undefined where the answer had no date. */
  measured(skew: number | undefined): void {
    if (skew === undefined) return;
    this.wall -= this.#correction();
    this.#skew = Math.abs(skew) < SMALLEST_SKEW ? 0 : skew;
    this.#suspect = false;
    this.wall += this.#correction();
  }

  /** AWS's clock minus this machine's; undefined until measured, and again after a jump. */
  get skew(): number | undefined {
    return this.#suspect ? undefined : this.#skew;
  }

  #correction(): number {
    const skew = this.#skew ?? 0;
    return this.#suspect ? Math.max(skew, 0) : skew;
  }
}
