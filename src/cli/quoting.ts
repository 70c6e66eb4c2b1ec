// Values → the syntax of each shell but the POSIX ones (src/text/quoting.ts). Refuses what a syntax cannot say, instead of
// writing something that means more.
import { KeyholeError } from "../errors.ts";
import { isPlainWord } from "../text/quoting.ts";

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
