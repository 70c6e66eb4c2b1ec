// The way from the loopback of a rig's network to a server on the machine's loopback. Unix sockets alone are seen from
// both, so two relays meet at one.
import { must, run, scratch, until } from "../../interop/run.ts";
import { guard } from "./namespaces.ts";

const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

export interface Forwarding {
  stop(): Promise<void>;
}

/**
 * Serves `url`, of a port of 127.0.0.1, in another network at the same address.
 *
 * @param enter runs what follows in that network
 */
export async function forward(url: string, enter: readonly string[]): Promise<Forwarding> {
  const { port } = new URL(url);
  const meeting = scratch("forward");
  const socket = `${meeting.path}/s`;
  const relays = [
    ["socat", `UNIX-LISTEN:${socket},fork`, `TCP:127.0.0.1:${port}`],
    [...enter, "socat", `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork`, `UNIX-CONNECT:${socket}`],
  ].map((words) => Bun.spawn([...guard, ...words], { env: environment, stdin: "ignore", stderr: "ignore" }));
  const probe = [...enter, "socat", "-u", "OPEN:/dev/null", `TCP:127.0.0.1:${port}`];
  await until(`${url} to answer in another network`, 10, async () => (await run(probe, environment, 5)).exitCode === 0);
  return {
    async stop() {
      for (const relay of relays) relay.kill("SIGKILL");
      await Promise.all(relays.map(({ exited }) => exited));
      meeting.remove();
    },
  };
}

/** The instance metadata service's address, where a rig may answer as it pleases. */
export const METADATA_ADDRESS = "169.254.169.254";

/** Gives a network of a rig's own that address. */
export async function ownMetadataAddress(enter: readonly string[]): Promise<void> {
  await must([...enter, "ip", "address", "add", `${METADATA_ADDRESS}/32`, "dev", "lo"], environment);
}
