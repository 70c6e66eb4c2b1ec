// Questions to a person at a terminal, on stderr. consola asks them, except for a line of text; loaded when there is one.
import { createInterface } from "node:readline";
import { createConsola } from "consola";
import { KeyholeError } from "../errors.ts";
import { showControls } from "../text/controls.ts";

/**
 * consola's prompts draw on `process.stdout`, whatever stream they are given (consola 3.4.2, chunks/prompt.mjs): give
 * them stderr under that name. Nothing of ours writes through `process.stdout`; console.log does not either.
 */
Object.defineProperty(process, "stdout", { value: process.stderr, configurable: true });
const consola = createConsola({ stdout: process.stderr, stderr: process.stderr });

/** Each of the three is for ui.ts, which says what they throw. */
export const prompts = {
  /** @param options.initial stands there as if it had been typed */
  async askText(question: string, options: { readonly initial?: string } = {}): Promise<string> {
    return answer(await whileTerminalStays(() => promptText(`${showControls(question)}: `, options.initial)));
  },
  async askYesNo(question: string, byDefault: boolean): Promise<boolean> {
    const options = { type: "confirm", cancel: "symbol", initial: byDefault } as const;
    return answer(await whileTerminalStays(() => consola.prompt(showControls(question), options)));
  },
  async askChoice(question: string, choices: readonly string[]): Promise<string> {
    const shown = choices.map((choice) => ({ value: choice, label: showControls(choice) }));
    const options = { type: "select", cancel: "symbol", options: shown } as const;
    return answer(await whileTerminalStays(() => consola.prompt(showControls(question), options)));
  },
};

/** @throws KeyholeError `interrupted` where there is none: a symbol of consola's, or nothing. */
function answer<Value>(value: Value): Exclude<Value, symbol | undefined> {
  if (typeof value === "symbol" || value === undefined) throw new KeyholeError("interrupted", "interrupted");
  return value as Exclude<Value, symbol | undefined>;
}

/**
 * One line of text, with line editing. Undefined for Ctrl-C, Ctrl-D, and at the end of the input. Not consola's: its text
 * prompt follows the line by replacing `_write` of a tty.WriteStream, which Bun 1.4.5 never calls, so every answer would
 * be empty.
 */
function promptText(question: string, initial: string | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
    // Closing after an answer comes too late to change it.
    lines.once("close", () => resolve(undefined));
    lines.once("SIGINT", () => lines.close());
    lines.question(question, (text) => {
      resolve(text);
      lines.close();
    });
    if (initial !== undefined) lines.write(initial);
  });
}

/**
 * What a prompt answers, or undefined where the terminal goes away first: the window is closed, the connection is cut. No
 * prompt notices that by itself under Bun 1.4.5: its promise stays open, and the event loop turns for ever.
 */
export async function whileTerminalStays<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  const { stdin } = process;
  if (stdin.readableEnded || stdin.destroyed) return undefined;
  const gone = Promise.withResolvers<undefined>();
  const leave = () => gone.resolve(undefined);
  // A terminal that is closed is an end or an error (EIO), by the moment of the read.
  const events = ["end", "error", "close"] as const;
  for (const event of events) stdin.on(event, leave);
  try {
    return await Promise.race([ask(), gone.promise]);
  } finally {
    for (const event of events) stdin.off(event, leave);
  }
}
