// When a grant ends: by AWS's clock, by this machine's, or by the time that passed, whichever says so first. AWS's clock
// is what some STS claims, this machine's is what a person set, and each may have told the time of a grant's making.
import type { Grant } from "../../grants/grant.ts";

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

/** The end of a grant on the monotonic clock. */
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
