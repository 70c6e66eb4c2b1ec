// What a chaos run says: pure functions of what was asked, of the windows with faults, and of the calls that STS saw.
import { renewalPoint } from "../../../src/daemon/sessions/refresh.ts";
import type { Call } from "../../sts/server.ts";

/** Milliseconds since the epoch, as everything here. */
export interface Window {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

/** One request of a client, or one command. */
export interface Asked {
  readonly who: string;
  readonly from: number;
  readonly to: number;
  /** Why there was no answer. */
  readonly failure: string | undefined;
}

/**
 * A session that lost its credentials in a window waits out the pause between two attempts after it. Until the next kill
 * the pauses double from 1 s, so none of them is longer than this here.
 */
export const ECHO = 20_000;

/** Where a request lies: `echo` if only the pauses after a window touch it. */
export function placeOf({ from, to }: Pick<Asked, "from" | "to">, windows: readonly Window[]) {
  const meets = (window: Window, after: number) => from <= window.to + after && to >= window.from;
  if (windows.some((window) => meets(window, 0))) return "inside";
  return windows.some((window) => meets(window, ECHO)) ? "echo" : "outside";
}

export interface CallVerdict {
  /** Calls outside of windows and their echoes, and those of them without which somebody had gone without keys. */
  readonly outside: number;
  readonly needed: number;
  /** The most for one role in one window, a second; the first of each daemon, which knows of no failure yet, apart. */
  readonly mostInside: number;
}

/** Milliseconds: a lifetime is measured against whole seconds. */
const SLACK = 2_000;

/**
 * A daemon has to call when it has no credentials of a role yet, and when what it has comes to the point of renewal.
 *
 * @param calls of AssumeRole, in their order
 * @param starts when each daemon began, without what the one before it knew
 * @param lifetimeOf a role's credentials
 */
export function judgeCalls(
  calls: readonly Pick<Call, "at" | "roleArn" | "outcome">[],
  windows: readonly Window[],
  starts: readonly number[],
  lifetimeOf: (roleArn: string) => number,
): CallVerdict {
  let [outside, needed, mostInside] = [0, 0, 0];
  for (const [roleArn, ofRole] of Map.groupBy(calls, (call) => call.roleArn ?? "")) {
    const lifetime = lifetimeOf(roleArn);
    const youngest = lifetime - Math.max(renewalPoint(lifetime, 0), renewalPoint(lifetime, 1)) - SLACK;
    let last = -Infinity;
    for (const { at, outcome } of ofRole) {
      const hasStarted = starts.some((start) => start > last && start <= at);
      const isNeeded = outcome === "ok" && (hasStarted || at - last >= youngest);
      if (outcome === "ok") last = at;
      if (placeOf({ from: at, to: at }, windows) !== "outside") continue;
      outside += 1;
      if (isNeeded) needed += 1;
    }
    for (const { from, to } of windows) {
      const inside = ofRole.filter(({ at }) => at >= from && at <= to);
      const first = starts.filter((start) => start >= from && inside.some(({ at }) => at >= start)).length;
      mostInside = Math.max(mostInside, (1000 * (inside.length - first)) / (to - from));
    }
  }
  return { outside, needed, mostInside };
}
