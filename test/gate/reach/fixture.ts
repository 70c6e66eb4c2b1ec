// What each file of tests of grants has: sandboxes of some kinds, a daemon for each user of theirs, and the way from
// each kind's network to that daemon's STS; made before, undone after.
import { afterAll, beforeAll } from "bun:test";
import { executable } from "../../e2e/machine.ts";
import type { StsServerOptions } from "../../sts/server.ts";
import { type AgentHost, startAgentHost } from "../agenthost.ts";
import type { Reach } from "./reach.ts";
import { type Forwarding, forward } from "../rigs/network.ts";
import { isReady } from "../rigs/rigs.ts";
import { makeRoots, type Roots } from "../rigs/roots.ts";

/** Milliseconds: images of a whole Debian are made there. */
const PATIENCE = 120_000;

/** @param options of each daemon's STS */
export function useReach<K extends Reach[]>(makeKinds: (roots: Roots) => [...K], options?: StsServerOptions) {
  const roots = makeRoots(executable);
  const kinds = makeKinds(roots);
  const hosts = new Map<number, AgentHost>();
  const forwardings: Forwarding[] = [];
  beforeAll(async () => {
    for (const kind of kinds.filter(({ needs }) => isReady(...needs))) {
      const host = hosts.get(kind.uid) ?? (await startAgentHost(kind.uid, options));
      hosts.set(kind.uid, host);
      await kind.open();
      forwardings.push(await forward(host.machine.sts.url, kind.network()));
    }
  }, PATIENCE);
  afterAll(async () => {
    // One that fails must not leave the others behind.
    const stopped = await Promise.allSettled(forwardings.map((forwarding) => forwarding.stop()));
    const closed = await Promise.allSettled([
      ...kinds.map((kind) => kind.close()),
      ...[...hosts.values()].map((host) => host.stop()),
    ]);
    roots.remove();
    const failed = [...stopped, ...closed].find(({ status }) => status === "rejected");
    if (failed) throw new Error("something is left behind", { cause: (failed as PromiseRejectedResult).reason });
  }, PATIENCE);
  return { roots, kinds, hostOf: ({ uid }: Reach) => hosts.get(uid)! };
}
