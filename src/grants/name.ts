// What may be the name of a grant: a word of the command line, a part of a file's path, of a role session's name and of
// what sandboxes print. Narrower than a config's name, because it is seen by whoever holds the grant.
import { KeyholeError } from "../errors.ts";
import { didYouMean } from "../text/suggest.ts";

/** 32 characters, so that `keyhole-<grant>-<8 hex>` fits into STS's 64. */
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Whether a text may be the name of a grant. */
export function isGrantName(text: string): boolean {
  return NAME.test(text);
}

/**
 * The name of a grant that is to be made: also one that Kubernetes takes for a Pod (RFC 1123), which does not end with -.
 *
 * @throws KeyholeError `usage`, without the name.
 */
export function checkNewGrantName(name: string): string {
  if (!checkGrantName(name).endsWith("-")) return name;
  throw new KeyholeError("usage", "a grant's name does not end with -", "keyhole grant add --help");
}

/** @throws KeyholeError `usage`, without the name, which may be anything. */
export function checkGrantName(name: string): string {
  if (isGrantName(name)) return name;
  throw new KeyholeError(
    "usage",
    "a grant's name has 1 to 32 small letters, digits or -, and does not begin with -",
    "keyhole grant list",
  );
}

/** @param known the names of all grants, of which one may have been meant */
export function noSuchGrant(name: string, known: readonly string[]): KeyholeError {
  return new KeyholeError("no-such-grant", `grant ${name} not found${didYouMean(name, known)}`);
}
