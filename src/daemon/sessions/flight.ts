// One AssumeRole under way, everybody who waits for it, and how waiting for a source ends.
import { KeyholeError } from "../../errors.ts";
import type { Clock, Timer } from "../../clock.ts";
import type { Issue } from "./issue.ts";
import type { Slots, Ticket } from "./semaphore.ts";

/** `superseded`: thrown away because config or environment changed; whoever waited asks again. */
export type Outcome = { readonly issue: Issue } | { readonly error: KeyholeError } | { readonly superseded: true };

export interface Flight {
  /** Never rejects, so that a renewal that nobody waits for is nobody's unhandled rejection. */
  readonly outcome: Promise<Outcome>;
  readonly settle: (outcome: Outcome) => void;
  readonly abort: AbortController;
  /** Its place in a queue, from the moment it asks for its turn. */
  place: { readonly slots: Slots; readonly ticket: Ticket } | undefined;
  /** Somebody waits, or waited. */
  urgent: boolean;
  /** Its config and environment are fixed from here on. */
  started: boolean;
  /** Resolves when callers who could take the old credentials have waited long enough. Shared by all of them. */
  patience: Promise<void> | undefined;
}

export function newFlight(urgent: boolean): Flight {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  return {
    outcome: promise,
    settle: resolve,
    abort: new AbortController(),
    place: undefined,
    urgent,
    started: false,
    patience: undefined,
  };
}

/** The result of `work`, or the reason of an abort yet to come, whether `work` heeds it or not. */
export function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    // The reason is always a KeyholeError of ours.
    signal.addEventListener("abort", () => reject(signal.reason as KeyholeError), { once: true });
    work.then(resolve, reject);
  });
}

/** Milliseconds. A guard only: the source has its own deadline, well below. */
const GUARD = 45_000;

/**
 * Aborts a call to a source that has forgotten its own deadline.
 *
 * @param more milliseconds that the source may take beside what AWS takes
 */
export function guard(clock: Clock, call: AbortController, more = 0): Timer {
  return clock.after(GUARD + more, () => {
    call.abort(new KeyholeError("network", `AWS did not answer within ${GUARD / 1000} s`));
  });
}
