// The attempts of a session that failed, and when the next one may be made.
import type { KeyholeError } from "../../errors.ts";
import { keyOfSurroundings, type Surroundings } from "../../surroundings.ts";
import { type Instant, LEAST_DELAY, retryDelay } from "./refresh.ts";

export interface Failure {
  readonly error: KeyholeError;
  /** Of the files that the source is read from (sources/resolve/stamp.ts). */
  readonly stamp: Promise<string | undefined> | undefined;
  /** The surroundings that its helpers had. */
  readonly tried: Surroundings | undefined;
}

/** Surroundings that are tried beside the back-off. */
const MOST_TRIED = 32;

/** Times are monotonic. */
export class BackOff {
  #failures = 0;
  #last: Failure | undefined;
  #failedAt = -Infinity;
  #until = -Infinity;
  /** Surroundings, as `keyOfSurroundings`, with which attempts failed. */
  readonly #failedWith = new Set<string>();

  /** Attempts that failed since the last that succeeded. */
  get failures(): number {
    return this.#failures;
  }

  get error(): KeyholeError | undefined {
    return this.#last?.error;
  }

  get stamp(): Failure["stamp"] {
    return this.#last?.stamp;
  }

  /** No attempt before this: `error` answers for AWS where there are no credentials. */
  get until(): number {
    return this.#until;
  }

  /** Other surroundings than have failed may have what a helper lacked: they are tried at once. */
  offer(surroundings: Surroundings): void {
    if (this.#areUntried(surroundings)) this.#until = -Infinity;
  }

  /** A person need not wait for the end of a back-off, and gets no more than an attempt a second by that. */
  hurry(now: Instant): void {
    if (now.monotonic - this.#failedAt >= LEAST_DELAY) this.#until = -Infinity;
  }

  /**
   * @param offered the surroundings that came since the attempt began, or those of the attempt
   * @returns whether that is news: the attempt before failed in another way, or did not
   */
  fail(failure: Failure, offered: Surroundings | undefined, now: Instant, random: number): boolean {
    const { error, tried } = failure;
    const isNews = this.error?.kind !== error.kind || this.error.message !== error.message;
    this.#failures += 1;
    this.#last = failure;
    this.#failedAt = now.monotonic;
    if (tried !== undefined) this.#failedWith.add(keyOfSurroundings(tried));
    const isOver = offered !== tried && offered !== undefined && this.#areUntried(offered);
    this.#until = isOver ? -Infinity : now.monotonic + retryDelay(this.#failures, random);
    return isNews;
  }

  forget(): void {
    this.#failures = 0;
    this.#last = undefined;
    this.#failedAt = -Infinity;
    this.#until = -Infinity;
    this.#failedWith.clear();
  }

  #areUntried(surroundings: Surroundings): boolean {
    return this.#failedWith.size < MOST_TRIED && !this.#failedWith.has(keyOfSurroundings(surroundings));
  }
}
