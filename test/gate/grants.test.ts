// One read-only mount and the variables that are printed: every SDK in every kind of sandbox is the grant's role, with
// nothing of keyhole installed there, over renewals and over restarts of the daemon.
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { type AgentHost, clients, javaScriptClient } from "./agenthost.ts";
import { examine, expectUnharmed, intrude, prepareIntrusion, workOptions } from "./intrusion.ts";
import { devcontainerReach, dockerReach, geminiReach, podmanReach } from "./reach/engines.ts";
import { gvisorReach } from "./reach/gvisor.ts";
import { bubblewrapReach } from "./reach/machines.ts";
import { type Reach } from "./reach/reach.ts";
import { useReach } from "./reach/fixture.ts";
import { testWith } from "./rigs/rigs.ts";
import { expectRow, type Tool } from "./rows.ts";
import type { Shell } from "./shell.ts";
import { until } from "../interop/run.ts";

const PODMAN = "Podman, rootful and rootless";
/** Of no user of the machine. */
const USER = 60_123;

// Of the machine's own sandboxes one: agents.test.ts has them all, without a network.
const { kinds, hostOf } = useReach((roots) => [
  dockerReach(roots, { images: ["debian"] }),
  podmanReach(roots, 0, ["debian"]),
  podmanReach(roots, USER, ["debian"]),
  bubblewrapReach(USER),
  gvisorReach(0, true),
]);
const [docker, podman, rootless, bubblewrap, gvisor] = kinds;

testReach("Docker", docker, "Docker");
testReach("Podman", podman, PODMAN);
testReach("rootless Podman", rootless, PODMAN);
testReach("devcontainer CLI", devcontainerReach(docker), "devcontainer CLI");
testReach("Gemini CLI", geminiReach(docker), "Gemini CLI (Docker)");
testReach("bubblewrap", bubblewrap, undefined);
testReach("gVisor", gvisor, "gVisor");

/** @param tool of an engine, in whose container all attacks are tried */
function testReach(title: string, kind: Reach, tool: Tool | undefined): void {
  testWith(kind.needs)(`${title}: SDKs are the grant's role, renewed, and over a restart of the daemon`, async () => {
    const host = hostOf(kind);
    const grant = `for-${title.replaceAll(/\W/g, "-").toLowerCase()}`;
    await host.addBriefGrant(grant, ...kind.terms);
    await using sandbox = await kind.start(host, grant, tool === undefined ? [] : workOptions(host));
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
    const open = tool === undefined ? [] : await attack(host, sandbox, grant);
    await host.restart();
    const restarted = await ask("boto3");
    expect(restarted.role).toBe(grant);
    expect([first.key, renewed.key]).not.toContain(restarted.key);
    await host.keyhole("grant", "revoke", grant);
    expect(await sandbox.run(clients.boto3)).toMatchObject({ exitCode: 1, stdout: "" });
    const tried = ["SDKs", "attacks", "renewal", "restart", "revoke"] as const;
    if (tool !== undefined) await expectRow(tool, { deliver: "socket", tried, open });
  });
}

/** What the intruder finds. */
async function attack(host: AgentHost, sandbox: Shell, grant: string): Promise<string[]> {
  const besieged = await prepareIntrusion(host);
  try {
    host.keyIn(await sandbox.run(javaScriptClient), grant);
    const open = await intrude(besieged, sandbox);
    expect(await examine(sandbox)).toEqual([]);
    await expectUnharmed(besieged);
    return open;
  } finally {
    for (const name of ["prod", "prod-file"]) {
      await host.keyhole("grant", "remove", "--yes", name);
      await host.keyhole("config", "remove", "--yes", "-n", name);
    }
    besieged.stop();
  }
}
