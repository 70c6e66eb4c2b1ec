// How often a grant answers, as a person writes it: `10/s`, `600/m`, `5/10m`.
import { KeyholeError } from "../errors.ts";
import type { Rate } from "./grant.ts";

/** Milliseconds, the largest first. */
const UNITS = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

const MOST_REQUESTS = 1_000_000;
/** Milliseconds: a day. A grant that should answer once a month is one for `--max-uses`. */
const LONGEST_PERIOD = 24 * 3_600_000;

const RATE = /^(\d{1,7})\/(\d{0,8})(h|m|s|ms)$/;

/**
 * @param option what a person calls the place it came from: `--rate`
 * @throws KeyholeError `usage` that names the option, never the value.
 */
export function parseRate(text: string, option: string): Rate {
  const [, count = "", periods = "", unit = ""] = RATE.exec(text) ?? [];
  const length = UNITS.find(([name]) => name === unit)?.[1] ?? 0;
  const rate = { count: Number(count), milliseconds: (periods === "" ? 1 : Number(periods)) * length };
  if (isRate(rate)) return rate;
  throw new KeyholeError("usage", `${option} must be requests in a time, like 10/s, 600/m or 100/h, from 1 to 1000000`);
}

/** Whether a rate from the wire is one that `parseRate` could have made. */
export function isRate({ count, milliseconds }: Rate): boolean {
  return count >= 1 && count <= MOST_REQUESTS && milliseconds >= 1 && milliseconds <= LONGEST_PERIOD;
}

/** A form that `parseRate` reads, in the largest unit that is exact. */
export function formatRate({ count, milliseconds }: Rate): string {
  const [unit, length] = UNITS.find(([, each]) => milliseconds % each === 0)!;
  const periods = milliseconds / length;
  return `${count}/${periods === 1 ? "" : periods}${unit}`;
}
