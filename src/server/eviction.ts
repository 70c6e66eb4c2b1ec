// Who gives up a connection when there are too many.
import type { Caller } from "./dispatch.ts";

/** What is asked of a connection. */
export interface Evictable {
  readonly caller: Caller;
  /** Whether an answer is owed. */
  readonly isBusy: boolean;
  /** Grows with every use of any connection. */
  readonly lastUse: number;
}

/**
 * Chosen so that whoever hoards connections locks nobody out: of the user who holds the most of them, and of theirs the
 * process that does, the one that has been idle longest. A client that was accepted a moment ago and is not read yet
 * looks idle too, and processes are cheap to make.
 *
 * @returns undefined where there is none
 */
export function chooseVictim<Item>(items: readonly Item[], connectionOf: (item: Item) => Evictable): Item | undefined {
  const ofUser = mostAlike(items, (item) => connectionOf(item).caller.uid);
  const ofProcess = mostAlike(ofUser, (item) => connectionOf(item).caller.pid);
  const idle = ofProcess.filter((item) => !connectionOf(item).isBusy);
  const candidates = idle.length > 0 ? idle : ofProcess;
  return candidates.toSorted((a, b) => connectionOf(a).lastUse - connectionOf(b).lastUse)[0];
}

/** Those whose key the most others have; of several such keys all. */
function mostAlike<Item>(items: readonly Item[], keyOf: (item: Item) => number | undefined): Item[] {
  const counts = new Map<number | undefined, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return items.filter((item) => counts.get(keyOf(item)) === most);
}
