// Characters that a terminal would obey, or that would turn the order of a text, instead of being seen. Imports nothing.

/** C0, DEL and C1; the marks that change the direction of text; Unicode's separators of lines and paragraphs. */
const CONTROLS = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Text from outside, safe for a terminal: controls become visible `\x1b` forms. Tab and newline stay. */
export function showControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    if (character === "\t" || character === "\n") return character;
    const code = character.charCodeAt(0);
    return code > 0xff ? unicodeEscape(character) : `\\x${code.toString(16).padStart(2, "0")}`;
  });
}

/** As `showControls`, with a space for each newline: text from outside cannot forge a second line. */
export function showOnOneLine(text: string): string {
  return showControls(text).replaceAll("\n", " ");
}

/** A JSON text that says the same without any control. JSON itself escapes C0 alone. */
export function escapeControls(json: string): string {
  return json.replace(CONTROLS, unicodeEscape);
}

/** `\u202e`: how JSON and YAML write one UTF-16 unit. */
export function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Characters of a text as it is shown: one session or grant must not fill the answer that shows them all. */
const LONGEST_SHOWN = 2000;

/** A text, or as much of its beginning as there is room for. */
export function cut(text: string, longest: number = LONGEST_SHOWN): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
