// gVisor as it is by default, without sockets of the host: a lease is read by every SDK, and a socket fails with the one
// line that says what to do. What coding agents' filters do is tried in them (agents.test.ts).
import { expect } from "bun:test";
import { until } from "../interop/run.ts";
import { offlineClients } from "./agenthost.ts";
import { gvisorReach } from "./reach/gvisor.ts";
import { useReach } from "./reach/fixture.ts";
import { testWith } from "./rigs/rigs.ts";

const { kinds, hostOf } = useReach(() => [gvisorReach(0, false)]);
const [gvisor] = kinds;

const ADVICE =
  "keyhole: error: gVisor does not permit Unix sockets of the host\n" +
  "keyhole: hint: on the host: runsc --host-uds=open, or keyhole grant add NAME --config CONFIG --deliver file\n";

testWith(gvisor.needs)("SDKs read a lease, its renewal too, and nothing of it once it is revoked", async () => {
  const host = hostOf(gvisor);
  await host.addBriefGrant("lease", "--deliver", "file");
  await using sandbox = await gvisor.start(host, "lease");
  const keyOf = async (client: keyof typeof offlineClients) =>
    host.keyIn(await sandbox.run(offlineClients[client]), "lease");
  const first = await keyOf("boto3");
  await until("a new lease", 30, async () => (await keyOf("AWS CLI")) !== first);
  await host.keyhole("grant", "revoke", "lease");
  for (const client of Object.values(offlineClients)) {
    const { exitCode, stdout } = await sandbox.run(client);
    expect({ client, isRefused: exitCode !== 0, stdout }).toEqual({ client, isRefused: true, stdout: "" });
  }
});

testWith(gvisor.needs)("a socket fails with exit 8 and what to do, which boto3 shows", async () => {
  const host = hostOf(gvisor);
  await host.addGrant("socket");
  await using sandbox = await gvisor.start(host, "socket");
  expect(await sandbox.run(["/run/keyhole/keyhole"])).toEqual({ exitCode: 8, stdout: "", stderr: ADVICE });
  const { exitCode, stdout, stderr } = await sandbox.run(offlineClients.boto3);
  expect({ failed: exitCode !== 0, stdout }).toEqual({ failed: true, stdout: "" });
  expect(stderr).toContain(ADVICE.split("\n")[1]!);
  expect(host.machine.sts.count("GetCallerIdentity")).toBe(0);
});
