// Becoming or starting another program, as execvp(3) looks for it.
import { KeyholeError } from "../../errors.ts";
import type { Native } from "../../native/native.ts";
import { quotePosix } from "../../text/quoting.ts";
import { decodeBytes } from "../../native/libc.ts";

/** execvp's search path where PATH is not set (confstr(3), _CS_PATH). */
const DEFAULT_PATH = "/bin:/usr/bin";

/**
 * Becomes `words[0]` with all of `words` as its arguments. Returns never: on success this process is the other program.
 *
 * @throws KeyholeError `not-found` (127) or `not-executable` (126)
 */
export function execute(
  native: Pick<Native, "execute">,
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): never {
  search(words, environment["PATH"], (path, argv) => native.execute(path, argv, environment));
  throw new KeyholeError("internal", "execve returned without an error");
}

/**
 * Starts `words[0]` from where it is found.
 *
 * @param path the search path
 * @param start returns undefined if the program runs, else the errno's name
 * @throws KeyholeError `not-found` (127) or `not-executable` (126)
 */
export function search(
  words: readonly string[],
  path: string | undefined,
  start: (path: string, argv: readonly string[]) => string | undefined,
): void {
  const [program = "", ...parameters] = words;
  let refusal: string | undefined;
  for (const candidate of candidates(program, path)) {
    let failure = start(candidate, words);
    // A script without a first line that names its interpreter.
    if (failure === "ENOEXEC") failure = start("/bin/sh", ["/bin/sh", candidate, ...parameters]);
    if (failure === undefined) return;
    if (failure !== "ENOENT" && failure !== "ENOTDIR") refusal ??= failure;
    // As execvp: a file that may not be run does not end the search, anything worse does.
    if (failure !== "ENOENT" && failure !== "ENOTDIR" && failure !== "EACCES") break;
  }
  if (refusal === undefined) throw new KeyholeError("not-found", `${program}: command not found`, "echo $PATH");
  throw new KeyholeError(
    "not-executable",
    `${program} cannot be executed (${refusal})`,
    `ls -l ${quotePosix(program)}`,
  );
}

function candidates(program: string, path: string | undefined): string[] {
  if (program === "") return [];
  if (program.includes("/")) return [program];
  return (path ?? DEFAULT_PATH).split(":").map((directory) => (directory === "" ? program : `${directory}/${program}`));
}

/** What the runtime puts in the place of bytes that are not UTF-8; a text may have it as well. */
const REPLACEMENT = "\ufffd";

/** What this process was started with. @throws Error where the system does not say */
type ReadOwn = (what: "cmdline" | "environ") => Uint8Array;

// Not imported: node:fs costs 1.5 ms, and few programs need it.
const readOwn: ReadOwn = (what) => (require("node:fs") as typeof import("node:fs")).readFileSync(`/proc/self/${what}`);

/**
 * The last words of this process's own command line, as they were given.
 *
 * @throws KeyholeError `usage` that names a word that cannot be passed on
 */
export function exactWords(words: readonly string[], read = readOwn): readonly string[] {
  if (!isReplaced(words)) return words;
  const given = ownTexts("cmdline", read).slice(-words.length);
  return words.map((word, at) => {
    if (!word.includes(REPLACEMENT)) return word;
    const bytes = given[at];
    if (bytes !== undefined && lossy(bytes) === word) return decodeBytes(bytes);
    throw notPassed(`argument ${at}`);
  });
}

/**
 * The same words, for a program that Bun starts, which gives it text alone.
 *
 * @throws KeyholeError `usage` that names a word of other bytes: another file would be meant
 */
export function textWords(words: readonly string[], read = readOwn): readonly string[] {
  const other = exactWords(words, read).findIndex((word, at) => word !== words[at]);
  if (other !== -1) throw notPassed(`argument ${other}`);
  return words;
}

/** Variables that this process was given, as they were. @throws KeyholeError as `exactWords` */
export function exactVariables(
  environment: Readonly<Record<string, string>>,
  read = readOwn,
): Readonly<Record<string, string>> {
  const entries = Object.entries(environment);
  if (!entries.some(isReplaced)) return environment;
  const given = new Map(ownTexts("environ", read).map((bytes) => [lossy(bytes), bytes]));
  return Object.fromEntries(
    entries.map((entry) => {
      if (!isReplaced(entry)) return entry;
      const bytes = given.get(entry.join("="));
      if (bytes === undefined) throw notPassed(`the variable ${entry[0]}`);
      const text = decodeBytes(bytes);
      return [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)];
    }),
  );
}

function isReplaced(entry: readonly string[]): boolean {
  return entry.some((text) => text.includes(REPLACEMENT));
}

function notPassed(what: string): KeyholeError {
  return new KeyholeError("usage", `${what} of the program is not UTF-8, and cannot be passed on here`);
}

function lossy(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function ownTexts(what: "cmdline" | "environ", read: ReadOwn): Uint8Array[] {
  const texts: Uint8Array[] = [];
  const bytes = readIfAny(what, read);
  for (let at = 0; at < bytes.length;) {
    const found = bytes.indexOf(0, at);
    const end = found === -1 ? bytes.length : found;
    texts.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return texts;
}

function readIfAny(what: "cmdline" | "environ", read: ReadOwn): Uint8Array {
  try {
    return read(what);
  } catch {
    return new Uint8Array();
  }
}
