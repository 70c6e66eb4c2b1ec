// stdout: the answer and nothing else. It is never written to by `process.stdout`, which costs 11 ms to touch, and cuts
// what is longer than a pipe at the exit.
import { isStdoutClosed } from "../client/express.ts";
import { isErrno, KeyholeError } from "../errors.ts";

/** As a shell has the end of a program that SIGPIPE ends: 128 and the signal's number. */
export const ENDED_BY_SIGPIPE = 141;

export const stdoutErrors = {
  closed: () => new KeyholeError("internal", "stdout is closed", "end the command with >FILE, or with >/dev/null"),
  unwritable: () => new KeyholeError("internal", "stdout cannot be written to", "keyhole daemon logs"),
} as const;

export interface Output {
  /** Text, with a newline added. */
  line(text: string): void;
  /** Bytes as they are. @throws KeyholeError where they cannot be written. */
  bytes(bytes: Uint8Array): Promise<void>;
  /** The size of the terminal that it is; undefined for anything else. */
  terminal(): { readonly columns: number; readonly rows: number } | undefined;
}

interface Stdout extends Output {
  /** Resolves when every line has been written. @throws KeyholeError where one cannot be. */
  finish(): Promise<void>;
}

/** @param exit ends the process with a status */
export function createStdout(exit: (status: number) => never): Stdout {
  let writer: Bun.FileSink | undefined;
  let lines: Promise<unknown> = Promise.resolve();

  // Not Bun.write, which reserves room at the start of a file, so that zeros come before what is appended (`>>`); not
  // console.log, which says nothing of a full disk.
  async function write(bytes: Uint8Array): Promise<void> {
    if (writer === undefined && (await isStdoutClosed())) throw stdoutErrors.closed();
    writer ??= Bun.stdout.writer();
    try {
      await writer.write(bytes);
      await writer.flush();
    } catch (error) {
      // The reader has gone, as in `logs -f | head`.
      if (isErrno(error, "EPIPE")) exit(ENDED_BY_SIGPIPE);
      throw stdoutErrors.unwritable();
    }
  }

  return {
    line: (text) => {
      const written = write(new TextEncoder().encode(`${text}\n`));
      lines = Promise.all([lines, written]);
      // The error is that of `finish`.
      lines.catch(() => {});
    },
    bytes: write,
    terminal: () => {
      const { isatty } = require("node:tty") as typeof import("node:tty");
      // 0 where the terminal does not know its size.
      return isatty(1) ? { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 } : undefined;
    },
    finish: async () => void (await lines),
  };
}
