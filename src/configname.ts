// What may be the name of a config: a word of the command line, a part of a file's path, and a part of the wire.
import { KeyholeError } from "./errors.ts";

/** elhaz's rule in ASCII alone: no dot and no slash, so no way out of the directory of configs. */
const NAME = /^[\w-]{1,128}$/;

/** Whether a text may be the name of a config. */
export function isConfigName(text: string): boolean {
  return NAME.test(text);
}

/** @throws KeyholeError `usage`, without the name, which may be anything. */
export function checkConfigName(name: string): string {
  if (isConfigName(name)) return name;
  throw new KeyholeError("usage", "a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _", "keyhole config list");
}
