// Texts of the system, which need not be UTF-8: names of files, arguments, variables. Each byte that is none stands as a
// lone surrogate, U+DC80 to U+DCFF, as in Python (PEP 383), and comes out as the byte that it was.

const ESCAPES = /[\udc80-\udcff]/u;
const FIRST_ESCAPE = 0xdc00;

/** What `decodeBytes` gave, as it was; every other text as UTF-8. */
export function encodeBytes(text: string): Buffer {
  if (!ESCAPES.test(text)) return Buffer.from(text);
  return Buffer.concat(
    Array.from(text, (character) => {
      return ESCAPES.test(character) ? Buffer.of(character.charCodeAt(0) - FIRST_ESCAPE) : Buffer.from(character);
    }),
  );
}

export function decodeBytes(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const [character, length] = decodeNext(bytes.subarray(at, at + 4), decoder);
    text += character;
    at += length;
  }
  return text;
}

/** One character of the up to four bytes that it may have, and how many it has. */
function decodeNext(bytes: Uint8Array, decoder: TextDecoder): [character: string, length: number] {
  for (let length = 1; length <= bytes.length; length += 1) {
    try {
      return [decoder.decode(bytes.subarray(0, length)), length];
    } catch {
      // Too few bytes, or none of UTF-8's.
    }
  }
  return [String.fromCharCode(FIRST_ESCAPE + bytes[0]!), 1];
}
