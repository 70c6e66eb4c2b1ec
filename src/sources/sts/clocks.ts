// How far the clocks of those who are asked are from this machine's. All of AWS has one clock; an STS somewhere else (a
// test server, a container whose clock stood still) has its own, and must not tell the time for any other.
import type { Exchange } from "./failure.ts";
import type { AssumedRole, ClockStanding } from "../source.ts";
import type { Target } from "./target.ts";

export type ClockReading = Pick<AssumedRole, "clockSkew" | "clock">;

export interface Clocks {
  /** That clock minus this machine's, in milliseconds, as last measured; AWS's, or 0, where it never was. */
  skewOf(target: Target): number;
  /** Measures by an answer, a refusal as well. */
  measure(target: Target, exchange: Exchange | undefined): ClockReading;
}

/** The key of AWS's own endpoints. */
const AWS = "";
/** Milliseconds. No clock that a person looks at is off by more. */
const DAY = 86_400_000;
/** Endpoints that are remembered; the oldest is forgotten. */
const MOST = 64;

export function createClocks(): Clocks {
  const skews = new Map<string, number>();
  /** Whose clock counts as AWS's: AWS's own; before AWS was ever asked, that of the first one asked. */
  let reference: string | undefined;

  function remember(key: string, skew: number): void {
    skews.set(key, skew);
    if (skews.size <= MOST) return;
    for (const oldest of skews.keys()) if (oldest !== AWS) return void skews.delete(oldest);
  }

  function standingOf(key: string, skew: number | undefined): ClockStanding {
    if (key !== (reference ?? key)) return "foreign";
    if (skew === undefined || Math.abs(skew) <= DAY) return "aws";
    const isConfirmed = [...skews].some(([other, theirs]) => other !== key && Math.abs(theirs - skew) <= DAY);
    return isConfirmed ? "aws" : "doubtful";
  }

  return {
    skewOf: (target) => skews.get(keyOf(target)) ?? skews.get(AWS) ?? 0,
    measure(target, exchange) {
      const key = keyOf(target);
      const clockSkew = measureSkew(exchange);
      if (clockSkew !== undefined) {
        remember(key, clockSkew);
        if (key === AWS) reference = AWS;
        reference ??= key;
      }
      return { clockSkew, clock: standingOf(key, clockSkew) };
    },
  };
}

function keyOf({ endpoint }: Target): string {
  return endpoint ?? AWS;
}

/** At the middle of the exchange. */
function measureSkew(exchange: Exchange | undefined): number | undefined {
  if (exchange?.date === undefined) return undefined;
  return Math.round(exchange.date - (exchange.sentAt + exchange.receivedAt) / 2);
}
