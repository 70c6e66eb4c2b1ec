// People: the only file that writes to stderr, and the only one that asks. Talk never goes to stdout.

export interface Ui {
  /** One line for a person: what was done, what is going on. */
  notice(text: string): void;
  /** What went wrong and what to do, without ending anything. */
  warn(text: string, hint?: string): void;
  /** The last words of a command: error line and hint line. Whatever is not a KeyholeError is shown as internal. */
  fail(error: unknown): void;
  /** Whether a person can be asked: stdin and stderr are terminals. Ask this before any prompt. */
  isInteractive(): Promise<boolean>;
  /** Each of the three throws KeyholeError `interrupted` (exit 130) on Ctrl-C or Escape. */
  askText(question: string, options?: { readonly initial?: string; readonly placeholder?: string }): Promise<string>;
  askYesNo(question: string, byDefault: boolean): Promise<boolean>;
  askChoice(question: string, choices: readonly string[]): Promise<string>;
}
