// One read-only mount and the variables that are printed: every SDK in every kind of sandbox is the grant's role, with
// nothing of keyhole installed there, over renewals and over restarts of the daemon.
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { clients } from "./agenthost.ts";
import { dockerReach, podmanReach } from "./reach/engines.ts";
import { gvisorReach } from "./reach/gvisor.ts";
import { bubblewrapReach, firejailReach } from "./reach/machines.ts";
import { type Reach } from "./reach/reach.ts";
import { useReach } from "./reach/fixture.ts";
import { testWith } from "./rigs/rigs.ts";
import { until } from "../interop/run.ts";

const NOBODY = 65_534;
/** Of no user of the machine. */
const USER = 60_123;

const { kinds, hostOf } = useReach((roots) => [
  dockerReach(roots, { images: ["debian"] }),
  podmanReach(roots, 0, ["debian"]),
  podmanReach(roots, USER, ["debian"]),
  bubblewrapReach(0),
  bubblewrapReach(USER),
  firejailReach(),
  gvisorReach(NOBODY, true),
]);
const names = [
  "Docker",
  "Podman",
  "rootless Podman",
  "bubblewrap",
  "bubblewrap, by an ordinary user",
  "firejail",
  "gVisor",
];

for (const [at, kind] of kinds.entries()) testReach(names[at]!, kind, `agent-${at}`);

function testReach(title: string, kind: Reach, grant: string): void {
  testWith(kind.needs)(`${title}: SDKs are the grant's role, renewed, and over a restart of the daemon`, async () => {
    const host = hostOf(kind);
    await host.addBriefGrant(grant, ...kind.terms);
    await using sandbox = await kind.start(host, grant);
    // It is a sandbox: the host's source credentials are not there to be found.
    const credentials = `${host.machine.home}/.aws/credentials`;
    expect(existsSync(credentials)).toBe(true);
    expect(await sandbox.run(["test", "-e", credentials])).toMatchObject({ exitCode: 1 });
    const ask = async (client: keyof typeof clients) => host.identityOf(await sandbox.run(clients[client]));
    const first = await ask("boto3");
    expect(first.role).toBe(grant);
    let renewed = first;
    await until("new credentials", 30, async () => {
      renewed = await ask("AWS CLI");
      return renewed.key !== first.key;
    });
    expect(renewed.role).toBe(grant);
    await host.restart();
    const restarted = await ask("boto3");
    expect(restarted.role).toBe(grant);
    expect([first.key, renewed.key]).not.toContain(restarted.key);
  });
}
