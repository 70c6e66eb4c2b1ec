// When to renew, as pure functions: no clock, no state, no I/O. All times are milliseconds. What "remaining" means is
// remainingLife's business alone; everything else judges a remaining life against a lifetime.
const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Credentials with less than this left are never vended. */
export const FLOOR = 60 * SECOND;

/**
 * From here on a lifetime counts as long. 30 minutes are meant; a lifetime is measured when the answer arrives,
 * against a Date of whole seconds, so that 1,800 s asked for measure as a little less.
 */
const LONG_LIFETIME = 30 * MINUTE - 10 * SECOND;

/** botocore and .NET run the process again on every request below 15 min (src/DESIGN.md#renewal); one minute is the margin. */
const LONG_INSIST = 16 * MINUTE;

/** Share of the renewal point by which jitter moves it, so that sessions added together do not renew together. */
const JITTER = 0.1;

/** What one issue of credentials says about time. */
export interface Lifespan {
  /** On AWS's clock, since the epoch. */
  readonly expiresAt: number;
  /** From the moment the answer arrived to the expiry. */
  readonly lifetime: number;
  /** When the answer arrived, on the monotonic clock. */
  readonly arrivedAt: number;
}

/** A reading of both clocks. */
export interface Instant {
  /** The best guess at AWS's clock, since the epoch. */
  readonly wall: number;
  readonly monotonic: number;
}

/** The lesser of what both clocks say, so that neither a wall clock set back nor a suspend hides an expiry. */
export function remainingLife(lifespan: Lifespan, now: Instant): number {
  const byWall = lifespan.expiresAt - now.wall;
  const byMonotonic = lifespan.lifetime - (now.monotonic - lifespan.arrivedAt);
  return Math.min(byWall, byMonotonic);
}

/**
 * The remaining life at which renewal starts; `random` is in [0, 1). Long sessions renew earlier by jitter. Short ones
 * renew later by it, because a half life must see at most one AssumeRole. The shortest leave half of what is above
 * the floor.
 */
export function renewalPoint(lifetime: number, random: number): number {
  if (lifetime >= LONG_LIFETIME) {
    const point = Math.min(Math.max(0.42 * lifetime, 17 * MINUTE), 25 * MINUTE);
    return point * (1 + JITTER * random);
  }
  const half = lifetime / 2;
  if (half < FLOOR + 30 * SECOND) return lifetime - (lifetime - FLOOR) / 2;
  return half * (1 - JITTER * random);
}

/** The remaining life below which a caller waits for the renewal, for a moment (`PATIENCE`). */
function insistPoint(lifetime: number): number {
  return lifetime >= LONG_LIFETIME ? LONG_INSIST : Math.max(lifetime / 4, FLOOR);
}

/** How long a caller waits for a renewal while the old credentials could still be vended. */
export const PATIENCE = 2 * SECOND;

/**
 * What a vend does: `fresh` vends; `due` vends and renews behind the caller's back; `insist` waits for the renewal a
 * moment, then vends the old ones; `spent` vends nothing but new ones.
 */
export type Age = "fresh" | "due" | "insist" | "spent";

export function ageOf(remaining: number, lifetime: number, renewsAt: number): Age {
  if (remaining < FLOOR) return "spent";
  if (remaining < insistPoint(lifetime)) return "insist";
  return remaining <= renewsAt ? "due" : "fresh";
}

/** Between two attempts, for all requesters together. */
export const LEAST_DELAY = SECOND;

/**
 * The wait before another attempt after `failures` (1 or more) in a row: jitter, as
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ has it, from 1 s to 60 s.
 */
export function retryDelay(failures: number, random: number): number {
  return LEAST_DELAY + random * (Math.min(60 * SECOND, SECOND * 2 ** failures) - LEAST_DELAY);
}

/** No request for two lifetimes: stop renewing until the next one. */
export function isIdle(sinceUse: number, lifetime: number): boolean {
  return sinceUse > 2 * lifetime;
}
