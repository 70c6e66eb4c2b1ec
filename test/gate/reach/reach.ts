// What a kind of sandbox must be able to do that a grant is given to, each as its recipe says or, where `grant show`
// prints none, as that tool's own documents do. All of them reach the test's STS on their loopback, and nothing else.
import type { Rig } from "../../interop/rigs.ts";
import type { AgentHost } from "../agenthost.ts";
import type { Shell } from "../shell.ts";

export interface Reach {
  readonly needs: readonly Rig[];
  /** Whose daemon's grants it is for. */
  readonly uid: number;
  /** Options of `grant add`, where the defaults do not suit. */
  readonly terms: readonly string[];
  open(): Promise<void>;
  /** Runs what follows in the sandboxes' network. Once open. */
  readonly network: () => readonly string[];
  /**
   * A sandbox that has a Debian with SDKs and one grant.
   *
   * @param options the tool's own, more of them
   * @param image another one of an engine's
   */
  start(host: AgentHost, grant: string, options?: readonly string[], image?: string): Promise<Shell>;
  close(): Promise<void>;
}

export const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

/** What every sandbox is told beside the recipe, since no SDK can know it: where the test's STS is. */
export async function withSts(host: AgentHost, shell: Shell): Promise<Shell> {
  const sts = { AWS_ENDPOINT_URL_STS: host.machine.sts.url };
  return { ...shell, run: (program, variables) => shell.run(program, { ...sts, ...variables }) };
}

let count = 0;
export const nextName = () => `keyhole-reach-${process.pid}-${(count += 1)}`;
