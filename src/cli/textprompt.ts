// One line of text from a person. Not consola's: its text prompt follows the line by replacing `_write` of a
// tty.WriteStream, which Bun 1.4.5 never calls, so every answer would be empty. Its other prompts do not do that.
import { createInterface } from "node:readline";

export interface TextPromptOptions {
  /** Stands there as if it had been typed. */
  readonly initial?: string | undefined;
}

/** Asks on stderr, with line editing. Undefined for Ctrl-C, Ctrl-D, and at the end of the input. */
export function promptText(question: string, { initial }: TextPromptOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
    // Closing after an answer comes too late to change it.
    lines.once("close", () => resolve(undefined));
    lines.once("SIGINT", () => lines.close());
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
    if (initial !== undefined) lines.write(initial);
  });
}
