// A bounded number of child processes at once, first come, first served. The bound is not strict: a child may wait for
// another one to start, and then one more runs.
import type { Clock, Timer } from "../../clock.ts";
import { KeyholeError } from "../../errors.ts";
import { chainOf } from "../../loop.ts";
import type { SourceEnvironment } from "../source.ts";

interface SlotRequest {
  readonly environment: SourceEnvironment;
  readonly signal: AbortSignal;
}

/**
 * Runs `work` when a slot is free. A request with a chain marker does not wait: a child that holds a slot waits for its
 * answer.
 *
 * @throws KeyholeError `timeout` if the request is aborted while it waits; and what `work` throws.
 */
export type ChildSlots = <Result>(request: SlotRequest, work: () => Promise<Result>) => Promise<Result>;

/**
 * Milliseconds in which no slot becomes free, after which one more child runs. All children that run may wait for the
 * answer to one request that waits here; it has no marker where its session existed before.
 */
const STALL = 250;

export function createChildSlots(limit: number, clock: Clock): ChildSlots {
  const waiting = new Set<() => void>();
  let taken = 0;
  let stall: Timer | undefined;

  function admit(): void {
    const [next] = waiting;
    if (next === undefined) return;
    waiting.delete(next);
    taken += 1;
    next();
  }

  function watch(): void {
    stall?.cancel();
    stall = undefined;
    if (waiting.size === 0) return;
    stall = clock.after(STALL, () => {
      admit();
      watch();
    });
  }

  function free(): void {
    taken -= 1;
    if (taken < limit) admit();
    watch();
  }

  function enter(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        // A request that was admitted already frees its slot itself.
        if (waiting.delete(resolve)) reject(givenUp());
        watch();
      };
      waiting.add(resolve);
      signal.addEventListener("abort", giveUp, { once: true });
      if (signal.aborted) giveUp();
      else if (taken < limit) admit();
      else if (stall === undefined) watch();
    });
  }

  return async (request, work) => {
    if (chainOf(request.environment).length > 0) return work();
    await enter(request.signal);
    try {
      return await work();
    } finally {
      free();
    }
  };
}

/** For requests that wait for source credentials that are no longer needed. */
export function givenUp(): KeyholeError {
  return new KeyholeError("timeout", "resolving the source credentials was given up");
}
