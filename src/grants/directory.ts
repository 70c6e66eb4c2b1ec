// The name of a grant's directory, which whoever knows it can use: it stands in no file and no log. What does is the
// grant's id, by which the name is known again where it is met.
import { baseOf } from "../paths.ts";

/** 22 characters of 64 are 132 bits: no holder guesses the path of another grant. */
const NAME = /^[A-Za-z0-9_-]{22}$/;
/** A SHA-256. */
const ID = /^[0-9a-f]{64}$/;

/** Of 16 random bytes. */
export function newDirectoryName(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url");
}

export function isDirectoryName(text: string): boolean {
  return NAME.test(text);
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

/** What a definition may have: a former version wrote the name itself. */
export function isGrantId(text: string): boolean {
  return ID.test(text) || isDirectoryName(text);
}

/** @param text the name of a directory, or what is an id already */
export function grantIdOf(text: string): string {
  return isDirectoryName(text) ? new Bun.CryptoHasher("sha256").update(text).digest("hex") : text;
}
