// When a grant ends: by AWS's clock, by this machine's, or by the time that passed, whichever says so first (AWS's clock is
// what some STS claims, this machine's is what a person set, and each may have told the time of a grant's making); or with
// the process of a `keyhole run`, which is watched, because a process that is killed tells nothing.
import type { Clock } from "../../clock.ts";
import { KeyholeError } from "../../errors.ts";
import type { Grant, Runner } from "../../grants/grant.ts";
import type { Caller } from "../../server/dispatch.ts";
import type { StartOf } from "../../server/starts.ts";
import { WakeTimer } from "../sessions/time.ts";
import type { LiveGrant } from "./livegrants.ts";

/** One reading of all clocks: AWS's, this machine's, and the monotonic one. See Time. */
export interface Clocks {
  readonly wall: number;
  /** Undefined while AWS's clock is not known. */
  readonly skew: number | undefined;
  readonly local: number;
  readonly monotonic: number;
}

/** A grant, and its end on the monotonic clock; Infinity where it has none, or none is known yet. */
export interface Ending {
  readonly grant: Grant;
  readonly endsBy: number;
}

export function endsByOf(grant: Grant, clocks: Clocks): number {
  return clocks.monotonic + lifeLeft({ grant, endsBy: Infinity }, clocks);
}

/** What AWS's clock would have to say for the grant to end when it does. */
export function nowOf(ending: Ending, clocks: Clocks): number {
  const { endsAt } = ending.grant;
  return endsAt === undefined ? clocks.wall : endsAt - lifeLeft(ending, clocks);
}

/** Milliseconds; Infinity for a grant without an end. */
function lifeLeft({ grant, endsBy }: Ending, { wall, skew, local, monotonic }: Clocks): number {
  const { endsAt, clockSkew } = grant;
  if (endsAt === undefined) return Infinity;
  const byAws = skew === undefined ? Infinity : endsAt - wall;
  return Math.min(byAws, endsAt - clockSkew - local, endsBy - monotonic);
}

/** Milliseconds between two looks at each process: a grant is gone within a second of its end. */
const LOOK = 400;

/** The process that asks. @throws KeyholeError `forbidden` for one that this daemon cannot see, or that has ended. */
export function runnerOf({ pid, witness }: Caller, startOf: StartOf): Runner {
  try {
    const started = pid ? startOf(pid) : undefined;
    // Read before the question: the process that called connect() had its pid all the time.
    if (pid && started !== undefined && witness?.hasEnded() !== true) return { pid, started };
  } catch {
    // Nor can its end be seen.
  }
  throw new KeyholeError("forbidden", "the daemon cannot see the process that asks, and would not know when it ends");
}

/** False where it cannot be found out, as for want of a descriptor. */
export function hasRunnerEnded({ runner }: Pick<Grant, "runner">, startOf: StartOf): boolean {
  if (runner === undefined) return false;
  try {
    return startOf(runner.pid) !== runner.started;
  } catch {
    return false;
  }
}

export interface RunnerWatch {
  /** Looks now, and again for as long as there are such grants. */
  look(): void;
  stop(): void;
}

/** @param end removes a grant; one that it could not remove is tried again. */
export function watchRunners(
  lives: () => Iterable<LiveGrant>,
  end: (live: LiveGrant) => void,
  { clock, startOf }: { readonly clock: Clock; readonly startOf: StartOf },
): RunnerWatch {
  const alarm = new WakeTimer(clock, look);
  function look(): void {
    const watched = [...lives()].filter(({ grant }) => grant.runner !== undefined);
    for (const live of watched) if (hasRunnerEnded(live.grant, startOf)) end(live);
    if (watched.length > 0) alarm.wakeIn(LOOK);
  }
  return { look, stop: () => alarm.cancel() };
}
