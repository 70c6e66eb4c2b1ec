// Time, as a parameter. Nothing else in the daemon reads a clock or arms a timer.

export interface Timer {
  cancel(): void;
}

/**
 * Two clocks, because each lies in its own way: the wall clock is stepped by NTP and by people, the monotonic one
 * stands still while a laptop sleeps. Both in milliseconds.
 */
export interface Clock {
  /** Since the epoch. */
  wall(): number;
  /** Since some fixed moment; never goes back. */
  monotonic(): number;
  /** Runs `action` once, after at least `milliseconds`. Does not keep the process alive. */
  after(milliseconds: number, action: () => void): Timer;
}

/** The longest delay a timer takes; Bun fires a longer one after 1 ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The real one. */
export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  after: (milliseconds, action) => {
    const timer = setTimeout(action, Math.min(Math.max(milliseconds, 0), LONGEST_TIMER));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
