// A clock that tests move. AWS's time, the wall clock and the monotonic one are three, and can be told apart.
import type { Clock, Timer } from "../../../src/clock.ts";

interface Alarm {
  readonly at: number;
  readonly action: () => void;
}

export class FakeClock implements Clock {
  /** AWS's clock, since the epoch: what is true, whatever this machine believes. */
  truth = Date.UTC(2026, 0, 1);
  #wall = this.truth;
  #monotonic = 5_000;
  readonly #alarms = new Set<Alarm>();

  wall(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(milliseconds: number, action: () => void): Timer {
    const alarm = { at: this.#monotonic + Math.max(milliseconds, 0), action };
    this.#alarms.add(alarm);
    return { cancel: () => this.#alarms.delete(alarm) };
  }

  /** How many timers are armed. */
  get armed(): number {
    return this.#alarms.size;
  }

  /** Lets time pass: timers run in order, each with its microtasks. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#monotonic + milliseconds;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#pass(next.at - this.#monotonic);
      this.#alarms.delete(next);
      next.action();
      await settle();
    }
    this.#pass(end - this.#monotonic);
  }

  /** Somebody sets the wall clock. */
  step(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  /** The machine sleeps: time passes, the monotonic clock stands still, no timer runs. */
  suspend(milliseconds: number): void {
    this.#wall += milliseconds;
    this.truth += milliseconds;
  }

  #pass(milliseconds: number): void {
    this.#monotonic += milliseconds;
    this.#wall += milliseconds;
    this.truth += milliseconds;
  }

  #next(end: number): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) if (alarm.at <= end && (next === undefined || alarm.at < next.at)) next = alarm;
    return next;
  }
}

/** Until every promise that can settle has: setImmediate runs after all microtasks. */
export function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
