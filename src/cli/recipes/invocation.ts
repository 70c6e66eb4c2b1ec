// How a tool that a person types is started with a grant: `grant show --for` prints it, `keyhole run` does it.
import { quotePosix } from "../../text/quoting.ts";

/** Stands in a word for the working directory. */
export const HERE = "\0";

/** Where the tool reads its settings: in a file the sandbox might write to them. */
export const SETTINGS = "/dev/fd/3";

export interface Invocation {
  /** What it is given in its environment, and passes on. */
  readonly variables: readonly (readonly [name: string, value: string])[];
  /** The tool and its options; in a recipe each stands on a line. */
  readonly lines: readonly (readonly string[])[];
  /** JSON, or what only a descriptor can carry. */
  readonly settings: string | Uint8Array | undefined;
  /** What follows, for a program and its arguments. */
  readonly program: (words: readonly string[]) => readonly string[];
}

/** What is pasted into a shell, with a shell as the program. */
export function paste({ variables, lines, settings, program }: Invocation): string {
  const set = variables.map(([name, value]) => `${name}=${quotePosix(value)}`);
  const words = [...lines, program(["sh"])].map((line) => line.map(quoteHere).join(" "));
  if (settings === undefined) return [...set, ...words].join(" \\\n  ");
  const command = [...set, words.join(" ")].join(" \\\n");
  return [`${command} 3<<'END'`, String(settings), "END"].join("\n");
}

/** The words themselves. @param cwd asked only where a word has it */
export function fillIn(words: readonly string[], cwd: () => string): string[] {
  return words.map((word) => (word.includes(HERE) ? word.replaceAll(HERE, cwd()) : word));
}

function quoteHere(word: string): string {
  const [before = "", after] = word.split(HERE);
  if (after === undefined) return quotePosix(word);
  return `${before && quotePosix(before)}"$PWD"${after && quotePosix(after)}`;
}
