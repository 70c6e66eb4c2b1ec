// Foreign text (AWS's, a proxy's) on its way to a person: without secrets, on one line, of bounded length.

/** Enough for AWS's longest message with two ARNs. */
const LONGEST_TEXT = 1_000;
/** Shorter values are no secrets, and replacing them would garble the text. */
const SHORTEST_SECRET = 6;

/** Control and format characters (C0, C1, whatever turns the direction of text) and line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** `text` with every secret, plain or URL-encoded, replaced by `***`, and no control characters. */
export function redact(text: string, secrets: readonly (string | undefined)[]): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret === undefined || secret.length < SHORTEST_SECRET) continue;
    for (const form of [secret, encodeURIComponent(secret)]) clean = clean.replaceAll(form, "***");
  }
  clean = clean.replaceAll(UNPRINTABLE, " ").trim();
  return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}…` : clean;
}
