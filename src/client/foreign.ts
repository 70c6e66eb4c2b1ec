// What listens at a control socket and is no keyhole daemon: elhaz's, where KEYHOLE_HOME is elhaz's directory.
import { isErrorOf } from "../errors.ts";
import { version } from "../version.ts";
import { Connection } from "./connection.ts";

/** Milliseconds of silence before it is asked; a daemon answers Hello from memory. */
const SILENCE = 250;

/**
 * `work`, unless what listens at `path` speaks another protocol. A program that waits for the end of a line or of the
 * input, of which no frame is either, is told of that end on a connection beside that of `work`, and answers.
 *
 * @throws KeyholeError `unsupported-version`, and what `work` throws
 */
export function unlessForeign<Result>(path: string, timeoutMs: number, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      askHello(path, timeoutMs).catch((error: unknown) => {
        if (isErrorOf(error, "unsupported-version")) reject(error);
      });
    }, SILENCE);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Milliseconds for an answer that a daemon gives at once. */
const GREETING = 2_000;

/** Whether a daemon answers there at all. */
export async function isDaemonThere(path: string): Promise<boolean> {
  try {
    await askHello(path, GREETING);
    return true;
  } catch {
    return false;
  }
}

async function askHello(path: string, timeoutMs: number): Promise<void> {
  const connection = await Connection.open(path, { timeoutMs, refusedPatienceMs: 0 });
  try {
    const answer = connection.request("Hello", { version });
    connection.finish();
    await answer;
  } finally {
    connection.close();
  }
}
