// Questions to a daemon: one over a connection of its own, or several to one that may be missing, starting, ending, or just
// being replaced by `daemon restart`.
import type { MessageName, RequestOf, ResponseOf } from "../wire/messages.ts";
import { Connection } from "./connection.ts";
import { errors, isErrorOf, KeyholeError } from "../errors.ts";
import { version } from "../version.ts";

/**
 * Nothing is tried again, also where no daemon listens.
 *
 * @param timeoutMs milliseconds to wait for the connection, and for the answer
 * @throws KeyholeError as `Connection.open` and `request` do
 */
export async function askOnce<Name extends MessageName>(
  path: string,
  timeoutMs: number,
  name: Name,
  body: RequestOf<Name>,
): Promise<ResponseOf<Name>> {
  const connection = await Connection.open(path, { timeoutMs, refusedPatienceMs: 0 });
  try {
    return await connection.request(name, body);
  } finally {
    connection.close();
  }
}

/** What a command asks a daemon through. */
export type Link = Pick<Connection, "request" | "identify" | "close">;

export interface Patience {
  /** Milliseconds after which nothing is tried again. */
  readonly deadlineMs: number;
  /** Whether everything may be asked again where the daemon goes away in the middle of it. */
  readonly isRepeatable: boolean;
  /** Who holds the daemon's lock at this moment, and so listens soon or has just ceased to; undefined if none does. */
  readonly holder: () => Promise<number | undefined>;
  /** Starts a daemon, race-free; its errors are the caller's. Absent where that is not to be. */
  readonly start?: (() => Promise<unknown>) | undefined;
}

/** Milliseconds between two looks: 2, 4, … as long as this. */
const LONGEST_PAUSE = 32;
/**
 * Milliseconds for which a lock's holder may not listen. A daemon that ends finishes answers for 2 s, one that has lost
 * its socket finds out within 2 s (server/watch-socket.ts), and one that starts takes 20 ms.
 */
const LONGEST_SILENCE = 5000;
/** Daemons that one client starts, of which none answered. */
const MOST_STARTS = 3;

/**
 * Opens a connection, runs `use` with it, and closes it. Where no daemon listens, it waits for the one that holds the lock or
 * starts a daemon, and looks again.
 *
 * @param open is told how long it may wait for an answer: what is left of the deadline
 * @throws KeyholeError of `open`, `use` and `start`; nothing that says EPERM or EACCES is tried again.
 */
export async function askPatiently<Result>(
  open: (timeoutMs: number) => Promise<Link>,
  use: (link: Link) => Promise<Result>,
  patience: Patience,
): Promise<Result> {
  const began = performance.now();
  let left = patience.deadlineMs;
  let starts = 0;
  let silentSince: number | undefined;
  for (let pause = 2; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    const timeoutMs = left;
    const outcome = await attempt(() => open(timeoutMs), use);
    if ("result" in outcome) return outcome.result;
    const { failure, wasHeard } = outcome;
    const now = performance.now();
    // In tenths of a second, because a person may read it.
    left = Math.ceil((began + patience.deadlineMs - now) / 100) * 100;
    if (left <= 0 || errors[failure.kind].passes !== "at-once") throw failure;
    // What was refused was not done; what was not answered may have been.
    if (wasHeard && !patience.isRepeatable && failure.kind !== "shutting-down") throw failure;
    if (wasHeard) silentSince = undefined;
    const holder = await patience.holder();
    if (holder !== undefined) {
      silentSince ??= now;
      if (now - silentSince >= LONGEST_SILENCE) throw silent(holder, failure);
      await new Promise((resolve) => setTimeout(resolve, pause));
    } else {
      if (patience.start === undefined || starts === MOST_STARTS) throw failure;
      starts += 1;
      silentSince = undefined;
      await patience.start();
    }
  }
}

type Outcome<Result> =
  | { readonly result: Result }
  | { readonly failure: KeyholeError; /** Whether there was a connection. */ readonly wasHeard: boolean };

async function attempt<Result>(
  open: () => Promise<Link>,
  use: (link: Link) => Promise<Result>,
): Promise<Outcome<Result>> {
  let link: Link | undefined;
  try {
    link = await open();
    return { result: await use(link) };
  } catch (failure) {
    if (!(failure instanceof KeyholeError)) throw failure;
    return { failure, wasHeard: link !== undefined };
  } finally {
    link?.close();
  }
}

function silent(pid: number, { message }: KeyholeError): KeyholeError {
  const holder = `a daemon (pid ${pid}) holds its lock and does not listen`;
  return new KeyholeError("unreachable", `${message}: ${holder}`, "keyhole daemon kill");
}

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
