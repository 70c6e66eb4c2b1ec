// Numbers as a person writes them in an option or a variable.
import { KeyholeError } from "../errors.ts";

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

/** 0 or 1, also as words. @throws KeyholeError `usage` that names the origin, never the value */
export function parseSwitch(text: string, origin: string): boolean {
  if (text === "1" || text === "true") return true;
  if (text === "0" || text === "false") return false;
  throw new KeyholeError("usage", `${origin} must be 0 or 1`);
}

/**
 * A mode of a file in octal, as chmod has it, with or without a zero in front: `660`, `0660`, `0o660`.
 *
 * @param modes those that may be
 * @throws KeyholeError `usage` that names the origin and the choice, never the value
 */
export function parseMode(text: string, origin: string, modes: readonly number[]): number {
  const mode = /^(?:0o|0)?[0-7]{3}$/.test(text) ? Number.parseInt(text.replace("0o", ""), 8) : undefined;
  if (mode !== undefined && modes.includes(mode)) return mode;
  const choice = modes.map((one) => one.toString(8)).join(" or ");
  throw new KeyholeError("usage", `${origin} must be ${choice}, in octal`);
}
