// The constraints of the service's model, and the words in which AWS reports that they were not met.
// Numbers and patterns: botocore data/sts/2011-06-15/service-2.json.
import { StsError } from "./error.ts";

export interface Constraint {
  readonly required?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: RegExp;
  /** The pattern as AWS prints it. */
  readonly patternText?: string;
}

/** What is wrong with one value, in AWS's words; nothing if it meets the constraint. */
export function violationsOf(path: string, value: string | undefined, constraint: Constraint): string[] {
  if (value === undefined)
    return constraint.required ? [`Value null at '${path}' ${FAILED}Member must not be null`] : [];
  const found: string[] = [];
  const { minLength = 0, maxLength = Infinity, pattern, patternText } = constraint;
  const report = (what: string) => found.push(`Value '${value}' at '${path}' ${FAILED}Member must ${what}`);
  if (value.length < minLength) report(`have length greater than or equal to ${minLength}`);
  if (value.length > maxLength) report(`have length less than or equal to ${maxLength}`);
  if (pattern?.test(value) === false) report(`satisfy regular expression pattern: ${patternText}`);
  return found;
}

export function rangeViolationsOf(path: string, value: number, least: number, most: number): string[] {
  const report = (what: string) => [`Value '${value}' at '${path}' ${FAILED}Member must have value ${what}`];
  if (value < least) return report(`greater than or equal to ${least}`);
  if (value > most) return report(`less than or equal to ${most}`);
  return [];
}

export function countViolationsOf(path: string, count: number, most: number): string[] {
  if (count <= most) return [];
  return [`Value at '${path}' ${FAILED}Member must have length less than or equal to ${most}`];
}

/** @throws StsError if there are any. */
export function refuseViolations(violations: readonly string[]): void {
  if (violations.length > 0) throw validationError(violations);
}

export function validationError(violations: readonly string[]): StsError {
  const subject = violations.length === 1 ? "1 validation error" : `${violations.length} validation errors`;
  return new StsError("ValidationError", `${subject} detected: ${violations.join("; ")}`);
}

const FAILED = "failed to satisfy constraint: ";
