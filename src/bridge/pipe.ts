// A pipe to the other end of a bridge: bytes both ways, as a child's standard streams are, or our own.
import { type Clock, systemClock } from "../clock.ts";
import { KeyholeError } from "../errors.ts";

export interface Pipe {
  /** Ends when the other end closes it. */
  readonly incoming: AsyncIterable<Uint8Array>;
  /** @throws KeyholeError `unreachable` if the other end is gone, or does not read. */
  write(bytes: Uint8Array): Promise<void>;
}

/** What Bun writes through: a child's stdin, or our own stdout. */
export interface Sink {
  write(bytes: Uint8Array): unknown;
  flush(): unknown;
}

/** A reader that takes nothing for this long is given up, in milliseconds. */
const WRITE_DEADLINE = 5000;

/** @param sink takes what is written; `incoming` is left to the reader */
export function createPipe(incoming: AsyncIterable<Uint8Array>, sink: Sink, clock: Clock = systemClock): Pipe {
  return {
    incoming,
    write: async (bytes) => {
      const late = Promise.withResolvers<never>();
      const timer = clock.after(WRITE_DEADLINE, () => late.reject(gone("does not read")));
      try {
        await Promise.race([writeAll(sink, bytes), late.promise]);
      } finally {
        timer.cancel();
      }
    },
  };
}

async function writeAll(sink: Sink, bytes: Uint8Array): Promise<void> {
  try {
    await sink.write(bytes);
    await sink.flush();
  } catch {
    throw gone("is gone");
  }
}

function gone(what: string): KeyholeError {
  return new KeyholeError("unreachable", `the other end of the bridge ${what}`, "start the bridge again");
}
