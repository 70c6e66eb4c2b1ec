// Questions to a person at a terminal, on stderr; loaded when a command asks one.
import { createInterface, emitKeypressEvents, type Key } from "node:readline";
import { Writable } from "node:stream";
import { KeyholeError } from "../errors.ts";
import { showControls } from "../text/controls.ts";
import { fitLine, formatTable } from "./answers.ts";
import type { Choice } from "./ui.ts";

/** Each of the three is for ui.ts, which says what they throw. */
export const prompts = {
  /**
   * @param options.initial stands there as if it had been typed
   * @param options.isSecret what is typed is not shown
   */
  async askText(
    question: string,
    options: { readonly initial?: string; readonly isSecret?: boolean } = {},
  ): Promise<string> {
    return answer(await whileTerminalStays(() => promptText(`${showControls(question)}: `, options)));
  },
  async askYesNo(question: string, byDefault: boolean): Promise<boolean> {
    const asked = `${showControls(question)} ${byDefault ? "[Y/n]" : "[y/N]"} `;
    for (;;) {
      const text = answer(await whileTerminalStays(() => promptText(asked))).trim();
      if (text === "") return byDefault;
      if (/^(?:y|yes|n|no)$/i.test(text)) return /^y/i.test(text);
    }
  },
  /** @param hasCursor the terminal has one that can be moved */
  async askChoice(question: string, choices: readonly Choice[], hasCursor: boolean): Promise<string> {
    const pick = hasCursor ? pickFromList : pickByName;
    return answer(await whileTerminalStays(() => pick(showControls(question), choices)));
  },
};

/** @throws KeyholeError `interrupted` where there is none */
function answer<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new KeyholeError("interrupted", "interrupted");
  return value;
}

/** One line of text, with line editing. Undefined for Ctrl-C, Ctrl-D, and at the end of the input. */
function promptText(
  question: string,
  { initial, isSecret = false }: { readonly initial?: string; readonly isSecret?: boolean } = {},
): Promise<string | undefined> {
  const output = isSecret ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin, output, terminal: true });
    if (isSecret) process.stderr.write(question);
    // Closing after an answer comes too late to change it.
    lines.once("close", () => {
      if (isSecret) process.stderr.write("\n");
      resolve(undefined);
    });
    lines.once("SIGINT", () => lines.close());
    lines.question(question, (text) => {
      resolve(text);
      lines.close();
    });
    if (initial !== undefined) lines.write(initial);
  });
}

/** Where a terminal has no cursor that can be moved, as Emacs's shell: the list, and a line that names one of it. */
async function pickByName(question: string, choices: readonly Choice[]): Promise<string | undefined> {
  const all = createList(choices);
  let found = all.filter("");
  for (;;) {
    process.stderr.write(`${found.map(({ line }) => `  ${line}`).join("\n")}\n`);
    const text = await promptText(`${question} `);
    if (text === undefined) return undefined;
    const filtered = all.filter(text);
    const named = choices.find(({ value }) => value === text.trim())?.value;
    if (named !== undefined || filtered.length === 1) return named ?? filtered[0]!.value;
    if (filtered.length > 0) found = filtered;
  }
}

/** Undefined for Ctrl-C, Ctrl-D and Escape. */
function pickFromList(question: string, choices: readonly Choice[]): Promise<string | undefined> {
  const { stdin, stderr } = process;
  const list = createList(choices);
  let typed = "";
  let at = 0;
  const draw = () => {
    // 0 where the terminal does not know its size.
    const [columns, rows] = [stderr.columns || 80, stderr.rows || 24];
    const lines = list.render(typed, at, { columns, rows });
    // The cursor stands after what was typed, for the next draw as for the person.
    const up = lines.length > 0 ? `\u001B[${lines.length}A` : "";
    const head = fitLine(`${question} ${typed}`, columns - 1);
    stderr.write(`\r\u001B[J${[head, ...lines].join("\r\n")}${up}\r\u001B[${Bun.stringWidth(head)}C`);
  };
  emitKeypressEvents(stdin);
  stdin.setRawMode(true);
  stdin.resume();
  return new Promise<string | undefined>((resolve) => {
    const end = (value: string | undefined) => {
      stdin.off("keypress", press);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write(`\r\u001B[J${question} ${showControls(value ?? "")}\r\n`);
      resolve(value);
    };
    const press = (text: string | undefined, key: Key) => {
      const found = list.filter(typed);
      const name = key.ctrl === true ? `ctrl-${key.name}` : (key.name ?? "");
      if (name === "escape" || name === "ctrl-c" || name === "ctrl-d") return end(undefined);
      if (name === "return" || name === "enter") {
        const chosen = found[at];
        if (chosen !== undefined) end(chosen.value);
        return;
      }
      const step = STEPS[name];
      if (step !== undefined) at = Math.min(Math.max(at + step, 0), Math.max(found.length - 1, 0));
      else if (name === "backspace" || name === "ctrl-u" || isTyped(text, key)) {
        typed = name === "backspace" ? typed.slice(0, -1) : name === "ctrl-u" ? "" : typed + text;
        at = 0;
      }
      draw();
    };
    stdin.on("keypress", press);
    draw();
  });
}

const STEPS: Readonly<Record<string, number | undefined>> = {
  up: -1,
  "ctrl-p": -1,
  down: 1,
  "ctrl-n": 1,
  tab: 1,
  pageup: -10,
  pagedown: 10,
  home: -Infinity,
  end: Infinity,
};

function isTyped(text: string | undefined, { ctrl, meta }: Key): text is string {
  return text !== undefined && ctrl !== true && meta !== true && /^[^\p{Cc}]+$/u.test(text);
}

/** Lines that are shown at once. */
const MOST_LINES = 12;

/** The choices as aligned lines, and those of them that hold every word that was typed. */
export function createList(choices: readonly Choice[]) {
  const table = formatTable(choices.map(({ value, details }) => [value, ...details])).split("\n");
  const all = choices.map(({ value }, index) => ({ value, line: table[index] ?? "" }));

  function filter(typed: string) {
    const words = typed.toLowerCase().split(/\s+/);
    return all.filter(({ line }) => words.every((word) => line.toLowerCase().includes(word)));
  }

  return {
    filter,
    /** @param at the choice that Enter takes, counted in those that match */
    render(typed: string, at: number, { columns, rows }: { readonly columns: number; readonly rows: number }) {
      const found = filter(typed);
      const most = Math.max(1, Math.min(MOST_LINES, rows - 2));
      const first = Math.max(0, Math.min(at - Math.floor(most / 2), found.length - most));
      const lines = found
        .slice(first, first + most)
        .map(({ line }, index) => fitLine(`${first + index === at ? ">" : " "} ${line}`, columns - 1));
      const isAll = found.length === choices.length && found.length <= most;
      return isAll ? lines : [...lines, fitLine(`  ${found.length} of ${choices.length}`, columns - 1)];
    },
  };
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
