// A pipe whose other end is the test: what arrives is pushed, what is written is kept.
import { ANSWER_LIMIT, type Pipe } from "../../../src/bridge/pipe.ts";
import { type Frame, FrameDecoder } from "../../../src/wire/frame.ts";

export interface FakePipe extends Pipe {
  /** The other end sends these bytes. */
  push(bytes: Uint8Array): void;
  /** The other end closes. */
  end(): void;
  /** Whole frames that were written so far. */
  readonly written: readonly Frame[];
  /** Resolves when that many frames have been written. */
  wrote(count: number): Promise<void>;
}

const nobody = () => {};

/** @param fail what writing throws */
export function fakePipe(fail?: Error): FakePipe {
  const stream = new TransformStream<Uint8Array, Uint8Array>();
  const writer = stream.writable.getWriter();
  const decoder = new FrameDecoder(ANSWER_LIMIT);
  const written: Frame[] = [];
  let arrived = nobody;
  return {
    incoming: stream.readable,
    write: async (bytes) => {
      if (fail !== undefined) throw fail;
      written.push(...decoder.push(bytes));
      arrived();
    },
    push: (bytes) => void writer.write(bytes),
    end: () => void writer.close(),
    written,
    wrote: async (count) => {
      while (written.length < count) await new Promise<void>((resolve) => (arrived = resolve));
    },
  };
}
