// Foreign text (AWS's, a proxy's) on its way to a person: without secrets, on one line, of bounded length.
import { type Environment, isProxyVariable } from "../environment.ts";

/** Room for an encoded authorization failure message, which cannot be decoded once it is cut. */
const LONGEST_TEXT = 4_000;
/** Shorter values are no secrets, and replacing them would garble the text. */
const SHORTEST_SECRET = 6;

/**
 * Control characters and line separators; and all format characters, not those alone that turn the direction of text
 * (src/text/controls.ts): a message of AWS needs none that cannot be seen.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/**
 * What may be a secret access key (40 characters) or a session token (hundreds), also in URL encoding; and, as `known`,
 * two things that are as long and are none: an ARN, and what `aws sts decode-authorization-message` takes.
 */
const SHAPES =
  /(?<known>\barn:[\w-]+:[\w-]*:[\w-]*:\d*:[\w+=,.@:/*-]+|\bEncoded authorization failure message: *[\w-]+)|(?:[A-Za-z0-9/+]|%2[BFbf]){40,}(?:=|%3[Dd])*/g;

/**
 * `text` with every secret, plain or URL-encoded, and everything that has the shape of one replaced by `***`, and no
 * control characters.
 */
export function redact(text: string, secrets: readonly (string | undefined)[]): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret === undefined || secret.length < SHORTEST_SECRET) continue;
    for (const form of [secret, encodeURIComponent(secret)]) clean = clean.replaceAll(form, "***");
  }
  clean = clean.replaceAll(SHAPES, (found, known?: string) => (known === undefined && isMixed(found) ? "***" : found));
  clean = clean.replaceAll(UNPRINTABLE, " ").trim();
  return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}…` : clean;
}

/** Characters of a helper's last line. */
const LONGEST_WORDS = 300;

/**
 * The last line of what a helper says on stderr, without the secrets of its environment, and without what may be a
 * one-time code.
 */
export function lastWords(stderr: string, environment: Environment): string {
  const line = stderr.trimEnd().split("\n").at(-1) ?? "";
  return redact(line, Object.entries(environment).flatMap(secretsIn))
    .replaceAll(/(?<!\d)\d{6,8}(?!\d)/g, "***")
    .slice(0, LONGEST_WORDS);
}

/** What is secret of a variable: all of a token, of a proxy its password. Names and paths are what a person looks for. */
function secretsIn([name, value = ""]: [string, string | undefined]): string[] {
  if (isProxyVariable(name)) return /^(?:\w+:\/\/)?[^/@]*:([^/@]+)@/.exec(value)?.slice(1) ?? [];
  return /SECRET|TOKEN|PASSWORD/.test(name) && !name.endsWith("_FILE") ? [value] : [];
}

/** A hash in hexadecimal, a number and a path in lower case are not. */
function isMixed(run: string): boolean {
  return /[a-z]/.test(run) && /[A-Z]/.test(run) && /\d/.test(run);
}
