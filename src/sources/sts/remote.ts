// Calls to STS in a worker process, which is started for the first call, serves all sessions, and is ended when it has
// had nothing to do for a while: the daemon that rests is small. The worker's side is worker.ts.
import type { Clock, Timer } from "../../clock.ts";
import { KeyholeError } from "../../errors.ts";
import { type Exchange, StsFailed } from "./failure.ts";
import { readLines } from "../../text/lines.ts";
import { type DatedAnswer, LARGEST_ANSWER, OTHER_BUILD, replaced, type WorkerRequest } from "./worker-protocol.ts";
import { nowhere } from "../run-program.ts";
import { CALL_DEADLINE, type Caller, type OperationName, type StsAnswer, type StsTransport } from "./transport.ts";

export interface RemoteOptions {
  /** The worker: `[process.execPath, "--sts-worker"]`. */
  readonly command: readonly string[];
  /** All that it gets: the daemon's own, for proxies and certificates. No AWS_*. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

/** Milliseconds without a call after which a worker is ended. */
const IDLE = 5_000;
/** Milliseconds that a worker has beyond the deadline of its own, and to end when it was told to. */
const GRACE = 2_000;
/**
 * Calls of one worker: each leaves about half a KiB behind (`bun run bench -- --soak`), so that one that is never idle
 * is replaced before that counts.
 */
const MOST_CALLS = 2_000;
/** Workers in a row that end before they answer anything: from then on one is tried every `PAUSE` milliseconds. */
const MOST_DEATHS = 3;
const PAUSE = 5_000;

interface Call {
  readonly resolve: (answer: StsAnswer) => void;
  readonly reject: (error: Error) => void;
}

interface Worker {
  readonly child: Bun.Subprocess<"pipe", "pipe", "ignore" | "pipe">;
  readonly calls: Map<number, Call>;
  /** Calls that it was ever given. */
  given: number;
  /** Ended by us, because nothing is to be done. */
  retired: boolean;
}

/** Starts no worker before the first call. What `send` throws beside StsFailed: KeyholeError `network`, `internal`. */
export function createRemoteTransport({ command, environment, clock }: RemoteOptions): StsTransport {
  const workers = new Set<Worker>();
  /** The one that gets the next call. */
  let current: Worker | undefined;
  let idle: Timer | undefined;
  let lastId = 0;
  let deaths = 0;
  /** Whether the last that died was of another build: what helps then is another than what helps otherwise. */
  let wasReplaced = false;
  /** Monotonic. */
  let pausedUntil = -Infinity;

  function start(): Worker {
    if (deaths >= MOST_DEATHS && clock.monotonic() < pausedUntil) throw wasReplaced ? replaced() : unusable(deaths);
    const child = spawn();
    // The daemon ends without it, and it ends with the daemon.
    child.unref();
    const worker: Worker = { child, calls: new Map(), given: 0, retired: false };
    workers.add(worker);
    void attend(worker);
    return worker;
  }

  function spawn(): Worker["child"] {
    try {
      return Bun.spawn([...command], {
        env: { ...environment },
        cwd: "/",
        stdin: "pipe",
        stdout: "pipe",
        stderr: nowhere(),
        // Ctrl-C in the daemon's terminal is the daemon's: answers under way are finished first.
        detached: true,
      });
    } catch {
      died();
      throw new KeyholeError("internal", "the process that asks STS cannot be started");
    }
  }

  /** Reads a worker's answers until it ends. */
  async function attend(worker: Worker): Promise<void> {
    try {
      for await (const line of readLines(worker.child.stdout, LARGEST_ANSWER)) settle(worker, line);
    } catch {
      // Too long, or not ours: nothing it says can be trusted any more.
      worker.child.kill("SIGKILL");
    }
    const status = await worker.child.exited;
    workers.delete(worker);
    if (current === worker) current = undefined;
    if (worker.retired) return;
    died();
    wasReplaced = status === OTHER_BUILD;
    const reason = wasReplaced ? replaced() : deaths >= MOST_DEATHS ? unusable(deaths) : lost();
    for (const call of worker.calls.values()) call.reject(reason);
    worker.calls.clear();
  }

  function settle(worker: Worker, line: string): void {
    const answer = JSON.parse(line) as DatedAnswer;
    const exchange = shifted(answer.exchange, clock.wall() - answer.now);
    deaths = 0;
    const call = worker.calls.get(answer.id);
    worker.calls.delete(answer.id);
    if (answer.failure) call?.reject(new StsFailed(answer.failure, exchange));
    else call?.resolve({ output: answer.output, exchange });
    restWhenIdle(worker);
  }

  function died(): void {
    deaths += 1;
    pausedUntil = clock.monotonic() + PAUSE;
  }

  function restWhenIdle(worker: Worker): void {
    if (worker.calls.size > 0) return;
    if (worker !== current) return dismiss(worker);
    idle?.cancel();
    idle = clock.after(IDLE, () => retire(worker));
  }

  function retire(worker: Worker): void {
    if (worker !== current) return;
    current = undefined;
    dismiss(worker);
  }

  /** Lets a worker end that has no calls left. */
  function dismiss(worker: Worker): void {
    if (worker.retired) return;
    worker.retired = true;
    void Promise.allSettled([worker.child.stdin.end()]);
    const late = clock.after(GRACE, () => worker.child.kill("SIGKILL"));
    void worker.child.exited.then(() => late.cancel());
  }

  function write(worker: Worker, request: WorkerRequest): void {
    // A pipe that is broken is a worker that has ended, which `attend` sees.
    try {
      const { stdin } = worker.child;
      void Promise.allSettled([stdin.write(`${JSON.stringify(request)}\n`), stdin.flush()]);
    } catch {}
  }

  async function send<Name extends OperationName>(
    name: Name,
    input: unknown,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<StsAnswer<Name>> {
    if (signal.aborted) throw new StsFailed({ kind: "aborted" });
    if (current === undefined || hasEnded(current.child)) current = start();
    const worker = current;
    worker.given += 1;
    // This is its last call; it is dismissed when it has answered those that it has.
    if (worker.given === MOST_CALLS) current = undefined;
    idle?.cancel();
    const id = ++lastId;
    const { promise, resolve, reject } = Promise.withResolvers<StsAnswer>();
    worker.calls.set(id, { resolve, reject });
    const cancel = (): void => {
      if (!worker.calls.delete(id)) return;
      write(worker, { cancel: id });
      reject(new StsFailed({ kind: "aborted" }));
      restWhenIdle(worker);
    };
    // A worker that does not keep its own deadline does nothing any more: it is stopped, or caught in a loop.
    const late = clock.after(CALL_DEADLINE + GRACE, () => worker.child.kill("SIGKILL"));
    signal.addEventListener("abort", cancel, { once: true });
    write(worker, { id, name, input, caller: plain(caller) } as WorkerRequest);
    try {
      return (await promise) as StsAnswer<Name>;
    } finally {
      late.cancel();
      signal.removeEventListener("abort", cancel);
    }
  }

  return {
    send,
    close: () => {
      idle?.cancel();
      for (const { child } of workers) child.kill("SIGKILL");
    },
  };
}

/** In the time of the clock that judges expiry, should the worker's be another. */
function shifted(exchange: Exchange | undefined, by: number): Exchange | undefined {
  return exchange && { ...exchange, sentAt: exchange.sentAt + by, receivedAt: exchange.receivedAt + by };
}

/** Known before `attend` has read the last of its output. */
function hasEnded({ exitCode, signalCode }: Worker["child"]): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Credentials redact themselves where they are serialised, which here is the one thing not wanted. */
function plain({ target, credentials, skew }: Caller): Caller {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return { target, credentials: { accessKeyId, secretAccessKey, sessionToken }, skew };
}

function lost(): KeyholeError {
  return new KeyholeError("network", "the process that asks STS ended before it had an answer", "try again");
}

function unusable(deaths: number): KeyholeError {
  return new KeyholeError("internal", `the process that asks STS ended ${deaths} times in a row without an answer`);
}
