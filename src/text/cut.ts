// Texts that are not to fill an answer or a line.

/** Characters of a text as it is shown: one session or grant must not fill the answer that shows them all. */
const LONGEST_SHOWN = 2000;

/** A text, or as much of its beginning as there is room for. */
export function cut(text: string, longest: number = LONGEST_SHOWN): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
