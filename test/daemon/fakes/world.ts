// Sessions with everything around them scripted.
import type { LogFields, LogLevel } from "../../../src/server/log.ts";
import type { Issue } from "../../../src/daemon/sessions/issue.ts";
import { Sessions } from "../../../src/daemon/sessions/sessions.ts";
import { FakeClock } from "./clock.ts";
import { FakeConfigs, roleConfig } from "./configs.ts";
import { FakeSource } from "./source.ts";

export interface LogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

export interface World {
  readonly clock: FakeClock;
  readonly source: FakeSource;
  readonly configs: FakeConfigs;
  readonly sessions: Sessions;
  readonly log: LogLine[];
  /** Adds a config and a session of it that has worked before, without asking AWS. */
  add(name: string, durationSeconds?: number): Promise<void>;
  /** Vends as a caller does who waits; time does not pass meanwhile. */
  vend(name: string): Promise<Issue>;
  /** What is really left of an issue, by AWS's clock, in milliseconds. */
  left(issue: Issue): number;
}

interface Options {
  readonly random?: () => number;
  readonly maxSessions?: number;
  readonly maxFlights?: number;
  /** The wall clock minus the true one when the daemon starts, in milliseconds. */
  readonly clockError?: number;
}

export function newWorld({
  random = () => 0.5,
  maxSessions = 64,
  maxFlights = 8,
  clockError = 0,
}: Options = {}): World {
  const clock = new FakeClock();
  clock.step(clockError);
  const source = new FakeSource(clock);
  const configs = new FakeConfigs();
  const log: LogLine[] = [];
  const sessions = new Sessions({
    source,
    configs,
    clock,
    random,
    log: (level, event, fields = {}) => void log.push({ level, event, fields }),
    maxSessions,
    maxFlights,
  });
  return {
    clock,
    source,
    configs,
    sessions,
    log,
    add: async (name, durationSeconds) => {
      configs.write(name, roleConfig(name, durationSeconds));
      sessions.restore(name, {});
    },
    vend: async (name) => sessions.vend(name),
    left: (issue) => issue.expiresAt - clock.truth,
  };
}

/** Numbers in [0, 1) that are the same in every run (a linear congruential generator, Numerical Recipes). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The promise's error; fails if it has none. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & { readonly kind: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error & { readonly kind: string };
  }
  throw new Error("expected an error");
}

/** Whether a promise has settled; asks without waiting for it. */
export function watch(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false };
  const note = (): void => void (state.settled = true);
  promise.then(note, note);
  return state;
}
