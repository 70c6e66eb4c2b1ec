// A program as the child of this process, which stands in front of it: as its first process in a sandbox, too.
import { codeOf, KeyholeError } from "../../errors.ts";
import type { ReapChild } from "../../native/children.ts";
import { search } from "./execute.ts";

export interface Program {
  /** What it is called, and its arguments. */
  readonly words: readonly string[];
  /** All of it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether it is in a session of its own, in which no terminal can be typed into with TIOCSTI (ioctl_tty(2)). */
  readonly isApart: boolean;
  /** A descriptor that is its third one, of a file. */
  readonly descriptor?: number | undefined;
  /** Given its stdout and stdin, which are ours otherwise; the program is ended if this throws. */
  readonly converse?: ((output: AsyncIterable<Uint8Array>, input: Bun.FileSink) => Promise<void>) | undefined;
}

export interface Supervision {
  readonly watch: Watch;
  /** Whether a terminal tells our child what it tells us, if the two are in one session. */
  readonly hasTerminal: boolean;
  /** Given where orphans come to this process: to the first one of a pid namespace. */
  readonly reap: ReapChild | undefined;
  /** Which process below the child gets a signal in its place; the child itself if absent. */
  readonly findInner?: ((pid: number) => number | undefined) | undefined;
}

/**
 * Runs a program with our standard streams, passes signals on to it, and returns its exit status, as a shell has it: 128
 * and the number for a death by a signal. Orphans are waited for, but not longer than the program runs.
 *
 * @throws KeyholeError `not-found` (127) or `not-executable` (126)
 */
export async function supervise(program: Program, supervision: Supervision): Promise<number> {
  const { watch, hasTerminal, reap, findInner } = supervision;
  const reaped = Promise.withResolvers<number>();
  let child: Bun.Subprocess | undefined;
  const isTold = hasTerminal && !program.isApart;
  const passing = isTold ? passedOn.filter((signal) => !fromTerminal.includes(signal)) : passedOn;
  const stops = [
    watch(passing, (signal) => {
      const inner = child && findInner?.(child.pid);
      if (inner === undefined || !tryToKill(inner, signal)) child?.kill(signal);
    }),
    // Without a handler of ours they would end us, and the program would run on alone.
    watch(isTold ? fromTerminal : [], () => {}),
    // If we stopped, the shell would read the terminal that the child goes on reading.
    watch(hasTerminal && program.isApart ? ["SIGTSTP"] : [], () => {}),
    watch(reap === undefined ? [] : ["SIGCHLD"], () => {
      // Bun waits for its own child by pid; whichever of us comes first has the status.
      for (let ended = reap?.(); ended !== undefined; ended = reap?.()) {
        if (ended.pid === child?.pid) reaped.resolve(ended.status);
      }
    }),
  ];
  try {
    child = start(program);
    const status = Promise.race([reaped.promise, child.exited]);
    if (program.converse !== undefined) await Promise.race([converse(child, program.converse), status]);
    return await status;
  } finally {
    for (const stop of stops) stop();
  }
}

function tryToKill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Until the program closes its stdout. */
async function converse(child: Bun.Subprocess, talk: NonNullable<Program["converse"]>): Promise<void> {
  const { stdin, stdout } = child as Bun.Subprocess<"pipe", "pipe">;
  try {
    await talk(stdout, stdin);
  } catch (error) {
    child.kill();
    throw error;
  } finally {
    void Promise.resolve(stdin.end()).catch(() => {});
  }
}

function start({ words, environment, isApart, descriptor, converse: talk }: Program): Bun.Subprocess {
  let child: Bun.Subprocess | undefined;
  search(words, environment["PATH"], (path, argv) => {
    try {
      // Bun looks along its own PATH for a name without a slash.
      const file = path.includes("/") ? path : `./${path}`;
      child = Bun.spawn({
        cmd: [file, ...argv.slice(1)],
        argv0: argv[0]!,
        env: { ...environment },
        detached: isApart,
        stdio: [
          ...(talk === undefined ? (["inherit", "inherit"] as const) : (["pipe", "pipe"] as const)),
          "inherit",
          ...(descriptor === undefined ? [] : [descriptor]),
        ],
      });
      return undefined;
    } catch (error) {
      return codeOf(error) ?? "unknown error";
    }
  });
  return child!;
}

/** What a supervisor of processes, or a person, sends; all that a program is told through the one in front of it. */
export const passedOn = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

/** What asks a process to end. */
export const endings = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** What a terminal sends to all of its foreground processes, so that a child has it already. */
const fromTerminal: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGWINCH"];

/** Calls `handle` instead of what the signals do by default, until the returned function is called. */
export type Watch = (signals: readonly NodeJS.Signals[], handle: (signal: NodeJS.Signals) => void) => () => void;

/** This process's. The first process of a sandbox gets a signal only if it watches for it: see kill(2). */
export const watchSignals: Watch = (signals, handle) => {
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
};

/** Resolves with the first of these that comes. */
export function signalled(signals: readonly NodeJS.Signals[], watch: Watch): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  const stop = watch(signals, (signal) => {
    stop();
    resolve(signal);
  });
  return promise;
}

/** What `work` gives. @throws KeyholeError `interrupted` if this process is asked to end before. */
export async function unlessEnded<Result>(work: Promise<Result>, watch: Watch): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = watch(endings, () => reject(new KeyholeError("interrupted", "interrupted")));
  try {
    return await Promise.race([work, promise]);
  } finally {
    stop();
  }
}
