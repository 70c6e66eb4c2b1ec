// Numbers as a person writes them in an option or a variable.
import { KeyholeError } from "./errors.ts";

/** The ends of a range, both in it. */
interface Range {
  readonly least?: number;
  /** Without one every number that is exact. */
  readonly most?: number;
}

/**
 * A whole number, in digits alone.
 *
 * @param origin what a person calls the place it came from: `--limit`
 * @throws KeyholeError `usage` that names the origin and the range, never the value
 */
export function parseWhole(text: string, origin: string, { least = 0, most }: Range, hint?: string): number {
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= (most ?? Infinity)) return number;
  const range = most === undefined ? "" : ` from ${least} to ${most}`;
  throw new KeyholeError("usage", `${origin} must be a whole number${range}`, hint);
}

/**
 * Seconds with an optional fraction, as whole milliseconds; what is above 0 is one at least.
 *
 * @param most in seconds
 * @throws KeyholeError `usage` that names the origin and the range, never the value
 */
export function parseSeconds(
  text: string,
  origin: string,
  { most, mayBeZero = false }: { readonly most: number; readonly mayBeZero?: boolean },
  hint?: string,
): number {
  const seconds = /^[0-9]{1,9}(\.[0-9]{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (mayBeZero && seconds === 0) return 0;
  if (seconds > 0 && seconds <= most) return Math.max(1, Math.round(seconds * 1000));
  const range = `${mayBeZero ? "" : "above 0 and "}up to ${most}`;
  throw new KeyholeError("usage", `${origin} must be seconds, ${range}`, hint);
}
