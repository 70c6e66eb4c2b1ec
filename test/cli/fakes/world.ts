// A command's world that remembers what was said, and a person who answers from a list.
import { KeyholeError } from "../../../src/errors.ts";
import type { Host } from "../../../src/cli/command.ts";
import { run } from "../../../src/cli/command-line.ts";
import { root } from "../../../src/cli/table.ts";
import { readForeign } from "../../../src/files/foreign.ts";
import { createUi } from "../../../src/cli/ui.ts";

export interface WorldOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** What a person at the terminal answers, in order; without it there is no terminal. */
  readonly answers?: readonly unknown[];
  readonly host?: Partial<Host>;
  /** Of the terminal that stdout is. */
  readonly columns?: number;
  /** Whether a person reads stderr. */
  readonly isWatched?: boolean;
}

export interface Result {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Questions that were asked. */
  readonly questions: readonly string[];
}

/** 2026-11-20T12:00:00Z: now, in all of these tests. */
export const NOW = Date.UTC(2026, 10, 20, 12);

/** Runs a command line, as main.ts does, in a fake process. */
export async function keyhole(words: readonly string[], options: WorldOptions = {}): Promise<Result> {
  let stdout = "";
  let stderr = "";
  const questions: string[] = [];
  const answers = [...(options.answers ?? [])];
  const ask = (question: string) => {
    questions.push(question);
    if (answers.length === 0) throw new KeyholeError("interrupted", "interrupted");
    return Promise.resolve(answers.shift() as never);
  };
  const exit = await run(words, {
    root,
    environment: options.environment ?? {},
    ui: {
      ...createUi({}, (line) => void (stderr += `${line}\n`)),
      isInteractive: () => Promise.resolve(options.answers !== undefined),
      isWatched: () => Promise.resolve(options.isWatched === true),
      askText: ask,
      askYesNo: ask,
      askChoice: ask,
    },
    output: {
      line: (text) => void (stdout += `${text}\n`),
      terminal: () => (options.columns === undefined ? undefined : { columns: options.columns, rows: 24 }),
      bytes: async (bytes) => void (stdout += new TextDecoder().decode(bytes)),
    },
    host: { ...quietHost, ...options.host },
  });
  return { exit, stdout, stderr, questions };
}

const quietHost: Host = {
  command: ["/opt/keyhole"],
  cwd: () => "/here",
  now: () => NOW,
  wait: () => Promise.resolve(),
  readStdin: () => Promise.resolve(""),
  readForeign: (paths) => Promise.all(paths.map((path) => readForeign(path).catch(keyholeError))),
  page: () => Promise.resolve(false),
  signal: () => false,
  platform: "linux",
  isContainer: () => false,
  userId: () => 1000,
  runTool: () => Promise.resolve({ status: 127, stdout: "", stderr: "" }),
  isRunning: () => Promise.resolve(false),
  launch: () => Promise.reject(new KeyholeError("start-failed", "the test did not expect a start")),
  openInProcess: () => Promise.reject(new KeyholeError("internal", "the test did not expect a broker in its process")),
};

function keyholeError(error: unknown): KeyholeError {
  if (error instanceof KeyholeError) return error;
  throw error;
}
