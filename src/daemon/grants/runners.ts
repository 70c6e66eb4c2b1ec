// Grants that end with a process: made by `keyhole run`, and watched, because a process that is killed tells nobody.
import { KeyholeError } from "../../errors.ts";
import type { Grant, Runner } from "../../grants/grant.ts";
import type { StartOf } from "../../server/starts.ts";
import { Alarm } from "../sessions/alarm.ts";
import type { Clock } from "../../clock.ts";
import type { Caller } from "../../server/dispatch.ts";
import type { LiveGrant } from "./livegrant.ts";

/** Milliseconds between two looks at each process: a grant is gone within a second of its end. */
const LOOK = 400;

/** The process that asks. @throws KeyholeError `forbidden` for one that this daemon cannot see, or that has ended. */
export function runnerOf({ pid, witness }: Caller, startOf: StartOf): Runner {
  try {
    const started = pid ? startOf(pid) : undefined;
    // Read before the question: whoever called connect() had its pid all the time.
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
  const alarm = new Alarm(clock, look);
  function look(): void {
    const watched = [...lives()].filter(({ grant }) => grant.runner !== undefined);
    for (const live of watched) if (hasRunnerEnded(live.grant, startOf)) end(live);
    if (watched.length > 0) alarm.wakeIn(LOOK);
  }
  return { look, stop: () => alarm.cancel() };
}
