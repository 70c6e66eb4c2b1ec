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

/**
 * A word of `credential_process`, which some SDKs give to `sh -c` and others split as Python's shlex does
 * (src/DESIGN.md#delivery). Double quotes mean the same to both, unless one of these characters stands between them; and a `#` or `;`
 * behind a space begins a comment for some readers of the file. Bare where that means the same: some readers show the
 * quotes to a shell, some take them off themselves. Undefined for a word that cannot be said.
 */
export function quoteForProcess(word: string): string | undefined {
  if (/^[A-Za-z0-9\-_./]+$/.test(word)) return word;
  return /["$`\\\r\n]|\s[#;]/.test(word) ? undefined : `"${word}"`;
}
