// stdout: the answer and nothing else. Never `process.stdout`: touching it costs 11 ms, and cuts what is longer than a
// pipe at the exit (BUN.md, 5).
import { isErrno } from "../errno.ts";
import { KeyholeError } from "../errors.ts";

/** As a shell has the end of a program that SIGPIPE ends: 128 and the signal's number. */
const ENDED_BY_SIGPIPE = 141;

export interface Output {
  /** Text, with a newline added. */
  line(text: string): void;
  /** Bytes as they are. @throws KeyholeError where they cannot be written. */
  bytes(bytes: Uint8Array): Promise<void>;
}

/** @param exit ends the process with a status */
export function createStdout(exit: (status: number) => never): Output {
  return {
    line: (text) => console.log(text),
    bytes: async (bytes) => {
      // Bun 1.4.5 writes nothing by truncating the file that stdout is.
      if (bytes.length === 0) return;
      try {
        await Bun.write(Bun.stdout, bytes);
      } catch (error) {
        // The reader has gone, as in `logs -f | head`.
        if (isErrno(error, "EPIPE")) exit(ENDED_BY_SIGPIPE);
        throw new KeyholeError("internal", "stdout cannot be written to", "keyhole daemon logs");
      }
    },
  };
}
