// People: the only file that writes to stderr; prompts.ts asks. Talk never goes to stdout, holds no control characters,
// and no colour.
import type { Environment } from "../environment.ts";
import { showControls, showOnOneLine } from "../text/controls.ts";
import { KeyholeError, keyholeErrorOf } from "../errors.ts";
import { fitLine } from "./answers.ts";

/** What is said to a person, and asked. */
export interface Ui {
  /** One line for a person: what was done, what is going on. */
  notice(text: string): void;
  /** What to do next: a command that can be pasted. */
  hint(text: string): void;
  /** What went wrong and what to do, without ending anything. */
  warn(text: string, hint?: string): void;
  /** The last words of a command: error line and hint line. Whatever is not a KeyholeError is shown as internal. */
  fail(error: unknown): void;
  /** Whether a person can be asked: stdin and stderr are terminals. Ask this before any prompt. */
  isInteractive(): Promise<boolean>;
  /** Whether a person reads what is said: stderr is a terminal. */
  isWatched(): Promise<boolean>;
  /**
   * Says after a second, for a person, what is waited for: a line that counts the seconds and is gone with the answer, or
   * one that stays where the terminal cannot take it back. To be ended before anything else is said.
   */
  waiting(what: () => Promise<string>): Disposable;
  /**
   * Each of the three throws KeyholeError `interrupted` (exit 130) on Ctrl-C and where the terminal goes away; the
   * choices also on Escape.
   */
  askText(question: string, options?: { readonly initial?: string; readonly isSecret?: boolean }): Promise<string>;
  askYesNo(question: string, byDefault: boolean): Promise<boolean>;
  /** One of a list, which gets shorter as one types; answers its `value`. */
  askChoice(question: string, choices: readonly Choice[]): Promise<string>;
}

export interface Choice {
  readonly value: string;
  /** Shown beside it in columns, and searched as well: an account, a role, a state. */
  readonly details: readonly string[];
}

/**
 * @param environment says what the terminal can do
 * @param write one line to stderr; tests give another. Not console.error: Bun 1.4.5 makes each of its lines red on a
 * terminal and wherever FORCE_COLOR is set, successes included.
 */
export function createUi(
  { TERM: terminal, NO_COLOR: still }: Environment,
  write: (line: string) => void = (line) => console.warn(line),
  draw: (text: string) => void = drawOnStderr,
): Ui {
  const isMoving = terminal !== "dumb" && !still;
  const hint = (text: string | undefined) => {
    if (text !== undefined) write(`keyhole: hint: ${showOnOneLine(text)}`);
  };
  return {
    hint,
    notice: (text) => write(showControls(text)),
    warn: (text, advice) => {
      write(`keyhole: warning: ${showOnOneLine(text)}`);
      hint(advice);
    },
    fail: (error) => {
      const known = keyholeErrorOf(error);
      // A message of several lines is a list of problems, such as those of a config file.
      const [first, ...more] = showControls(known.message).split("\n");
      write(`keyhole: error: ${first}`);
      for (const line of more) write(`  ${line.trimStart()}`);
      hint(known.hint);
    },
    isInteractive: async () => {
      // node:tty costs 5 ms, so only a command that might ask pays for it.
      const { isatty } = await import("node:tty");
      return isatty(0) && isatty(2);
    },
    isWatched: async () => {
      // Every program's stderr is looked at, so node:tty is for what may be a terminal.
      if (!(await Bun.file(2).stat()).isCharacterDevice()) return false;
      const { isatty } = await import("node:tty");
      return isatty(2);
    },
    waiting: (what) => {
      let seconds = 0;
      let isOver = false;
      const show = async () => {
        const text = `keyhole: waiting for ${showOnOneLine(await what())}`;
        if (isOver) return;
        if (isMoving) draw(`\r\u001B[K${fitLine(`${text}, ${seconds} s`, 79)}`);
        else if (seconds === 1) write(text);
      };
      const timer = setInterval(() => {
        seconds += 1;
        void show();
      }, 1_000);
      return {
        [Symbol.dispose]() {
          isOver = true;
          clearInterval(timer);
          if (isMoving && seconds > 0) draw("\r\u001B[K");
        },
      };
    },
    askText: async (question, options) => (await import("./prompts.ts")).prompts.askText(question, options),
    askYesNo: async (question, byDefault) => (await import("./prompts.ts")).prompts.askYesNo(question, byDefault),
    askChoice: async (question, choices) =>
      (await import("./prompts.ts")).prompts.askChoice(question, choices, terminal !== "dumb"),
  };
}

/** Without `process.stderr`, which costs 11 ms to touch. */
function drawOnStderr(text: string): void {
  const { writeSync } = require("node:fs") as typeof import("node:fs");
  try {
    writeSync(2, text);
  } catch {
    // A terminal that is stopped or gone misses nothing.
  }
}

/** The option of every command that removes something of a person's. */
export const yesOption = { type: "boolean", alias: "y", description: "Do not ask" } as const;

/**
 * @param command what is to be typed where there is no terminal to ask at, with `--yes`
 * @throws KeyholeError `usage` without a terminal
 */
export async function hasConsent(yes: boolean, ui: Ui, question: string, command: string): Promise<boolean> {
  if (yes) return true;
  if (!(await ui.isInteractive())) throw new KeyholeError("usage", "--yes is missing", command);
  return ui.askYesNo(question, false);
}
