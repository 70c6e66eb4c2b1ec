// Words as shells read them back: what `export` prints, and hints that are to be pasted. What a syntax cannot say is refused,
// because it would mean more.
import { KeyholeError } from "../errors.ts";

/** Characters that no POSIX shell, and no reader of .env files, gives a meaning inside a value. */
const PLAIN = /^[\w./+=:@%,-]+$/;

/** Whether a word means itself without quotes. */
function isPlainWord(word: string): boolean {
  return PLAIN.test(word);
}

/** sh, bash, dash, zsh, ksh. Plain words stay as they are, as elhaz's users expect. */
export function quotePosix(word: string): string {
  return isPlainWord(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * A word of `credential_process`, which some SDKs give to `sh -c` and others split as Python's shlex does
 * (src/DESIGN.md#delivery). Double quotes mean the same to both, unless one of these characters stands between them; and a `#` or `;`
 * after a space begins a comment for some readers of the file. Bare where that means the same: some readers show the
 * quotes to a shell, some take them off themselves. Undefined for a word that cannot be said.
 */
export function quoteForProcess(word: string): string | undefined {
  if (/^[A-Za-z0-9\-_./]+$/.test(word)) return word;
  return /["$`\\\r\n]|\s[#;]/.test(word) ? undefined : `"${word}"`;
}

/** fish: inside single quotes only the backslash and the quote are special. */
export function quoteFish(value: string): string {
  return `'${value.replace(/[\\']/g, String.raw`\$&`)}'`;
}

/** PowerShell takes typographic single quotes for the ASCII one; each is doubled. */
export function quotePowershell(value: string): string {
  return `'${value.replace(/['\u2018\u2019\u201a\u201b]/g, "$&$&")}'`;
}

/** cmd.exe, for `set "NAME=value"`: it has no escape for these characters that works in a script and at the prompt. */
export function quoteWindowsCmd(value: string): string {
  return refuse(value, /["%!\r\n]/, "windows-cmd");
}

/** A .env file. Plain values stay bare, because Docker's --env-file takes quotes for part of the value. */
export function quoteDotenv(value: string): string {
  return isPlainWord(value) ? value : `'${refuse(value, /['\r\n]/, "dotenv")}'`;
}

function refuse(value: string, unsayable: RegExp, syntax: string): string {
  if (!unsayable.test(value)) return value;
  throw new KeyholeError("usage", `a value has a character that ${syntax} cannot express`, "keyhole export --help");
}

/**
 * The words of a command line, the way a POSIX shell splits it and no more: quotes and backslashes, no expansion. As
 * Python's `shlex.split`, which elhaz uses. Undefined where a quote or a backslash is left open.
 */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let index = 0; index < line.length; index++) {
    const character = line[index]!;
    if (quote === "'" || quote === '"') {
      if (character === quote) quote = undefined;
      else if (character === "\\" && quote === '"' && /["\\]/.test(line[index + 1] ?? "")) word += line[++index]!;
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (character === "\\") {
      if (index + 1 === line.length) return undefined;
      word = (word ?? "") + line[++index]!;
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== undefined) return undefined;
  if (word !== undefined) words.push(word);
  return words;
}
