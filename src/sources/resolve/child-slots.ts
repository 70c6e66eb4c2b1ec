// A bounded number of child processes at once, first come, first served. No fence but a brake: a child may wait for
// another one to start, and then the bound gives way.
import type { Clock, Timer } from "../../clock.ts";
import { KeyholeError } from "../../errors.ts";
import { chainOf } from "../../loop.ts";
import type { SourceEnvironment } from "../source.ts";

/** On behalf of whom. */
interface PlaceRequest {
  readonly environment: SourceEnvironment;
  readonly signal: AbortSignal;
}

/**
 * Runs `work` when there is a place for it. A request with a chain marker waits for none: a child that holds a place
 * waits for its answer.
 *
 * @throws KeyholeError `timeout` if the request is aborted while it waits; and what `work` throws.
 */
export type Places = <Result>(request: PlaceRequest, work: () => Promise<Result>) => Promise<Result>;

/**
 * Milliseconds without a place given back after which one more runs. Those that hold the places may all wait for one
 * that waits here, which the marker does not tell where its session was there before.
 */
const STALL = 250;

export function createPlaces(limit: number, clock: Clock): Places {
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

  function giveBack(): void {
    taken -= 1;
    if (taken < limit) admit();
    watch();
  }

  function enter(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        // One that was admitted already has its place, and gives it back itself.
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
      giveBack();
    }
  };
}

/** For requests that wait for source credentials that are no longer needed. */
export function givenUp(): KeyholeError {
  return new KeyholeError("timeout", "resolving the source credentials was given up");
}
