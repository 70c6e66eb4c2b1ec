// The name of a grant: a word of the command line, a part of a file's path, of a role session's name and of what
// sandboxes print; narrower than a config's name, because the grant's holder sees it. And the name of its directory, with
// which any process can use the grant: it is in no file and no log. The grant's id is, by which the name is known again.
import { KeyholeError } from "../errors.ts";
import { baseOf } from "../paths.ts";
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
  return new KeyholeError("no-such-grant", `there is no grant ${name}${didYouMean(name, known)}`);
}

/** 22 characters of 64 are 132 bits: no holder guesses the path of another grant. */
const DIRECTORY_NAME = /^[A-Za-z0-9_-]{22}$/;
/** A SHA-256. */
const ID = /^[0-9a-f]{64}$/;

/** Of 16 random bytes. */
export function newDirectoryName(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url");
}

export function isDirectoryName(text: string): boolean {
  return DIRECTORY_NAME.test(text);
}

/** In a path below any `g`. */
export const DIRECTORY_IN_TEXT = /(?<=\/g\/)[A-Za-z0-9_-]{22}(?![\w-])/g;

/** Whether a text, such as AWS_CONFIG_FILE in the shell of who tries a grant out, says the name of a grant's directory. */
export function namesDirectory(text: string): boolean {
  return text.search(DIRECTORY_IN_TEXT) >= 0;
}

/** Whether a sandbox sees a grant's directory where the host has it: one that is mounted has another name. */
export function isAtHost(directory: string): boolean {
  return isDirectoryName(baseOf(directory));
}

export function isGrantId(text: string): boolean {
  return ID.test(text);
}

export function grantIdOf(directoryName: string): string {
  return new Bun.CryptoHasher("sha256").update(directoryName).digest("hex");
}
