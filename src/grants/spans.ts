// Spans of time as a person writes them on a command line and in a file: `8h`, `1h30m`, `3600`.
import { KeyholeError } from "../errors.ts";

const DAY = 86_400;
const HOUR = 3_600;
const MINUTE = 60;

/** Seconds: ten years. Nobody means more, and a u32 on the wire holds it. */
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
  throw new KeyholeError("usage", `${option} must be a span of time, like 8h, 90m, 1h30m or 3600s, of 3650d at most`);
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
