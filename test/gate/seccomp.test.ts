// Under the filters of coding agents' sandboxes, and in gVisor as it is by default: a lease is read by every SDK, and a
// socket fails with the one line that says what to do.
import { afterAll, expect } from "bun:test";
import { until } from "../interop/run.ts";
import { clients, offlineClients } from "./agenthost.ts";
import { gvisorReach } from "./reach/gvisor.ts";
import { bubblewrapReach } from "./reach/machines.ts";
import { useReach } from "./reach/fixture.ts";
import { testWith } from "./rigs/rigs.ts";
import { writeFilter } from "./rigs/seccomp.ts";

const noSockets = writeFilter("socket(AF_UNIX)");
const noConnections = writeFilter("connect()");
afterAll(() => {
  noSockets.remove();
  noConnections.remove();
});

const { kinds, hostOf } = useReach(() => [
  bubblewrapReach(0, noSockets.path),
  bubblewrapReach(0, noConnections.path),
  gvisorReach(0, false),
]);
const [withoutSockets, withoutConnections, gvisor] = kinds;

const ADVICE =
  "keyhole: error: this sandbox does not permit Unix sockets\n" +
  "keyhole: hint: on the host: keyhole grant add NAME --config CONFIG --deliver file\n";

const cells = [
  ["without socket(AF_UNIX)", withoutSockets, "a"],
  ["without connect()", withoutConnections, "b"],
  ["in gVisor by default", gvisor, "c"],
] as const;

for (const [where, kind, letter] of cells) {
  testWith(kind.needs)(
    `${where}: SDKs read a lease, its renewal too, and nothing of it once it is revoked`,
    async () => {
      const host = hostOf(kind);
      const grant = `lease-${letter}`;
      await host.addBriefGrant(grant, "--deliver", "file");
      await using sandbox = await kind.start(host, grant);
      const keyOf = async (client: keyof typeof offlineClients) =>
        host.keyIn(await sandbox.run(offlineClients[client]), grant);
      const first = await keyOf("boto3");
      await until("a new lease", 30, async () => (await keyOf("AWS CLI")) !== first);
      await host.keyhole("grant", "revoke", grant);
      for (const client of Object.values(offlineClients)) {
        const { exitCode, stdout } = await sandbox.run(client);
        expect({ client, isRefused: exitCode !== 0, stdout }).toEqual({ client, isRefused: true, stdout: "" });
      }
    },
  );

  testWith(kind.needs)(`${where}: a socket fails with exit 8 and what to do, which boto3 shows`, async () => {
    const host = hostOf(kind);
    const grant = `socket-${letter}`;
    await host.addGrant(grant);
    await using sandbox = await kind.start(host, grant);
    expect(await sandbox.run(["/run/keyhole/keyhole"])).toEqual({ exitCode: 8, stdout: "", stderr: ADVICE });
    const { exitCode, stdout, stderr } = await sandbox.run(offlineClients.boto3);
    expect({ failed: exitCode !== 0, stdout }).toEqual({ failed: true, stdout: "" });
    expect(stderr).toContain(ADVICE.split("\n")[1]!);
    expect(host.machine.sts.count("GetCallerIdentity")).toBe(0);
  });
}

testWith(withoutSockets.needs)("without socket(AF_UNIX): SDKs are the lease's role before the STS", async () => {
  const host = hostOf(withoutSockets);
  await host.addGrant("online", "--deliver", "file");
  await using sandbox = await withoutSockets.start(host, "online");
  for (const client of Object.values(clients)) expect(host.identityOf(await sandbox.run(client)).role).toBe("online");
});
