// Spans of time, rates and times as a person writes them on a command line and in a file: `1h30m`, `10/s`,
// `2026-01-31T23:59:59Z`.
import { KeyholeError } from "../errors.ts";
import type { Rate } from "./grant.ts";

const DAY = 86_400;
const HOUR = 3_600;
const MINUTE = 60;

/** Seconds: ten years. Enough for any grant, and a u32 on the wire holds it. */
const LONGEST = 3_650 * DAY;

const SPAN = /^(?:(\d{1,10})d)?(?:(\d{1,10})h)?(?:(\d{1,10})m)?(?:(\d{1,10})s?)?$/;

/**
 * Whole seconds, above 0. A number without a unit is seconds.
 *
 * @param option what a person calls the place it came from: `--ttl`
 * @throws KeyholeError `usage` that names the option, never the value.
 */
export function parseSpan(text: string, option: string): number {
  const [, days, hours, minutes, seconds] = SPAN.exec(text) ?? [];
  const span =
    Number(days ?? 0) * DAY + Number(hours ?? 0) * HOUR + Number(minutes ?? 0) * MINUTE + Number(seconds ?? 0);
  if (span >= 1 && span <= LONGEST) return span;
  const message = `${option} must be a span of time, like 8h, 90m, 1h30m or 3600s, of 3650d at most`;
  throw new KeyholeError("usage", message, option.startsWith("--") ? "keyhole grant add --help" : undefined);
}

/** The shortest of the forms that `parseSpan` reads, largest unit first: `1h30m`. @param seconds whole */
export function formatSpan(seconds: number): string {
  const parts = [
    [Math.floor(seconds / DAY), "d"],
    [Math.floor(seconds / HOUR) % 24, "h"],
    [Math.floor(seconds / MINUTE) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const text = parts.map(([count, unit]) => (count === 0 ? "" : `${count}${unit}`)).join("");
  return text === "" ? "0s" : text;
}

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

const TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{3}))?Z$/;

/** @param time milliseconds since the epoch, up to the year 9999 */
export function formatTime(time: number): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

/** Milliseconds since the epoch; undefined for what `formatTime` does not write. */
export function parseTime(text: string): number | undefined {
  const [, seconds, fraction = "000"] = TIME.exec(text) ?? [];
  const time = Date.parse(`${seconds}.${fraction}Z`);
  // Date.parse takes the 30th of February for the 2nd of March.
  return Number.isNaN(time) || new Date(time).toISOString() !== `${seconds}.${fraction}Z` ? undefined : time;
}
