// Words as a POSIX shell reads them back: what `export` prints, and hints that are to be pasted. Imports nothing.

/** Characters that no POSIX shell, and no reader of .env files, gives a meaning inside a value. */
const PLAIN = /^[\w./+=:@%,-]+$/;

/** Whether a word means itself without quotes. */
export function isPlainWord(word: string): boolean {
  return PLAIN.test(word);
}

/** sh, bash, dash, zsh, ksh. Plain words stay as they are, as elhaz's users expect. */
export function quotePosix(word: string): string {
  return isPlainWord(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
