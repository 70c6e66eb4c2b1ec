// Holds requests to a rate by letting them wait: an SDK whose request is refused fails its caller, one that waits is late.
import type { Clock, Timer } from "../clock.ts";
import { KeyholeError } from "../errors.ts";

export interface RateLimiterOptions {
  /** `count` requests in each `milliseconds`. */
  readonly rate: { readonly count: number; readonly milliseconds: number };
  readonly clock: Clock;
  /** Requests that wait at once. */
  readonly most: number;
  /** Milliseconds that one waits at most. */
  readonly patience: number;
}

export interface RateLimiter {
  /**
   * Undefined for a request whose turn it is: `rate.count` at once, if there were none before. Else a promise that
   * resolves when it is, in the order of asking.
   *
   * @throws KeyholeError `throttled`, at once, for one that would wait too long or among too many; what was given to
   *   `close` after that. The promise rejects with the latter.
   */
  take(): Promise<void> | undefined;
  /** Requests that wait, and later ones, get this reason. */
  close(reason: KeyholeError): void;
}

interface Waiter {
  /** On the monotonic clock. */
  readonly at: number;
  readonly resolve: () => void;
  readonly reject: (reason: KeyholeError) => void;
}

/** Milliseconds: sums of fractions of a second are not exact. */
const ROUNDING = 0.001;

/**
 * A token bucket, as one moment rather than a count of tokens: when it would be full again without another request
 * (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). A request that is refused takes no token.
 */
export function createRateLimiter({ rate, clock, most, patience }: RateLimiterOptions): RateLimiter {
  /** Milliseconds for each token. */
  const interval = rate.milliseconds / rate.count;
  const waiters: Waiter[] = [];
  let fullAt = -Infinity;
  let timer: Timer | undefined;
  let closed: KeyholeError | undefined;

  function take(): Promise<void> | undefined {
    if (closed !== undefined) throw closed;
    const now = clock.monotonic();
    const next = Math.max(fullAt, now) + interval;
    const at = next - rate.milliseconds - ROUNDING;
    // First come, first served.
    if (at <= now && waiters.length === 0) {
      fullAt = next;
      return undefined;
    }
    if (waiters.length >= most || at - now > patience) throw throttled();
    fullAt = next;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiters.push({ at, resolve, reject });
    timer ??= clock.after(at - now, admit);
    return promise;
  }

  function admit(): void {
    timer = undefined;
    const now = clock.monotonic();
    for (let first = waiters[0]; first !== undefined && first.at <= now; first = waiters[0]) {
      waiters.shift();
      first.resolve();
    }
    const next = waiters[0];
    if (next !== undefined) timer = clock.after(next.at - now, admit);
  }

  function close(reason: KeyholeError): void {
    closed ??= reason;
    timer?.cancel();
    for (const { reject } of waiters.splice(0)) reject(reason);
  }

  return { take, close };
}

function throttled(): KeyholeError {
  return new KeyholeError("throttled", "this grant is asked too often");
}
