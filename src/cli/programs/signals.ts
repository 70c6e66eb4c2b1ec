// Signals to this process, while it stands in front of a program that it started or a service that it gives.
import { KeyholeError } from "../../errors.ts";

/** What a supervisor of processes, or a person, sends; all that a program is told through the one in front of it. */
export const passedOn = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

/** What asks a process to end. */
export const endings = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** What a terminal sends to all of its foreground processes, so that a child has it already. */
export const fromTerminal: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGWINCH"];

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
