// What each file of tests has: roots, hosts by user, kinds of sandboxes; made before, undone after.
import { afterAll, beforeAll } from "bun:test";
import { executable } from "../e2e/machine.ts";
import { type Host, startHost } from "./host.ts";
import { isReady } from "./rigs/rigs.ts";
import { makeRoots, type Roots } from "./rigs/roots.ts";
import type { Kind } from "./sandbox.ts";

/** Milliseconds: images of a whole Debian are made there. */
const PATIENCE = 60_000;

/** @param uids whose daemons there are on the host */
export function useFixture<K extends Kind[]>(uids: readonly number[], makeKinds: (roots: Roots) => [...K]) {
  const roots = makeRoots(executable);
  const kinds = makeKinds(roots);
  const hosts = new Map<number, Host>();
  beforeAll(async () => {
    const ready = kinds.filter(({ needs }) => isReady(...needs));
    if (ready.length === 0) return;
    for (const uid of uids) hosts.set(uid, await startHost(uid));
    for (const kind of ready) await kind.open?.();
  }, PATIENCE);
  afterAll(async () => {
    // One that fails must not leave the others behind.
    const closing = [
      ...kinds.map(async (kind) => kind.close?.()),
      ...[...hosts.values()].map(async (host) => host.stop()),
    ];
    const outcomes = await Promise.allSettled(closing);
    roots.remove();
    const failed = outcomes.find(({ status }) => status === "rejected");
    if (failed) throw new Error("something is left behind", { cause: (failed as PromiseRejectedResult).reason });
  }, PATIENCE);
  return { kinds, hostOf: (uid: number) => hosts.get(uid)! };
}
