// Signals to a process that is not there.
import type { Watch } from "../../../src/cli/programs/supervise.ts";

/** `send` calls whoever watches; false if nobody does. */
export function fakeSignals() {
  const handlers = new Map<NodeJS.Signals, Set<(signal: NodeJS.Signals) => void>>();
  const watch: Watch = (signals, handle) => {
    for (const signal of signals) handlers.set(signal, (handlers.get(signal) ?? new Set()).add(handle));
    return () => {
      for (const signal of signals) handlers.get(signal)?.delete(handle);
    };
  };
  const watched = (signal: NodeJS.Signals) => (handlers.get(signal)?.size ?? 0) > 0;
  const send = (signal: NodeJS.Signals): boolean => {
    const isWatched = watched(signal);
    for (const handle of handlers.get(signal) ?? []) handle(signal);
    return isWatched;
  };
  return { watch, watched, send };
}
