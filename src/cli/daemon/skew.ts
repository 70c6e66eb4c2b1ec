// How far this machine's clock is from AWS's, as the daemon measured it.
import type { DaemonStatus } from "../../wire/messages.ts";
import { formatDuration } from "../columns.ts";

/** Milliseconds of skew worth a line. */
export const NOTABLE_SKEW = 60_000;

/** AWS's clock minus this machine's, in milliseconds. */
export function skewOf(status: DaemonStatus): number {
  return status.clockBehindMs - status.clockAheadMs;
}

/** Undefined for a skew that is not worth a line. */
export function describeSkew(skew: number): string | undefined {
  if (Math.abs(skew) <= NOTABLE_SKEW) return undefined;
  return `this machine's clock is ${formatDuration(Math.abs(skew))} ${skew > 0 ? "behind" : "ahead of"} AWS's`;
}
