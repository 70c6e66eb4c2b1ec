// The name of a grant's directory.
import { baseOf } from "../paths.ts";

/** 22 characters of 64 are 132 bits: nobody guesses the path of another grant (SANDBOXES.md, 2). */
const NAME = /^[A-Za-z0-9_-]{22}$/;

/** Whether a sandbox sees a grant's directory where the host has it: one that is mounted has another name. */
export function isAtHost(directory: string): boolean {
  return NAME.test(baseOf(directory));
}
