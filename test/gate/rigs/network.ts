// Ways into a network of a rig's own. Unix sockets alone are seen from there and from here, so a relay there meets a
// server here at one.
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
  const port = Number(new URL(url).port);
  const meeting = scratch("forward");
  const socket = `${meeting.path}/s`;
  const here = relay(["socat", `UNIX-LISTEN:${socket},fork`, `TCP:127.0.0.1:${port}`]);
  const there = await lend(socket, enter, "127.0.0.1", port);
  return {
    async stop() {
      here.kill("SIGKILL");
      await Promise.all([here.exited, there.stop()]);
      meeting.remove();
    },
  };
}

/** Serves a Unix socket in another network at an address of its own. */
async function lend(socket: string, enter: readonly string[], address: string, port: number): Promise<Forwarding> {
  const listener = `TCP-LISTEN:${port},bind=${address},reuseaddr,fork`;
  const there = relay([...enter, "socat", listener, `UNIX-CONNECT:${socket}`]);
  const probe = [...enter, "socat", "-u", "OPEN:/dev/null", `TCP:${address}:${port}`];
  await until(`${address} port ${port} to answer`, 10, async () => (await run(probe, environment, 5)).exitCode === 0);
  return {
    async stop() {
      there.kill("SIGKILL");
      await there.exited;
    },
  };
}

function relay(words: readonly string[]) {
  return Bun.spawn([...guard, ...words], { env: environment, stdin: "ignore", stderr: "ignore" });
}

/** The instance metadata service's, and of nobody else's. */
const METADATA_ADDRESS = "169.254.169.254";

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/**
 * An instance metadata service with these keys, version 2, in a network that has none.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
export async function serveMetadata(keys: Keys, enter: readonly string[]): Promise<Forwarding> {
  await must([...enter, "ip", "address", "add", `${METADATA_ADDRESS}/32`, "dev", "lo"], environment);
  const meeting = scratch("metadata");
  const socket = `${meeting.path}/s`;
  const document = {
    Code: "Success",
    LastUpdated: "2026-01-01T00:00:00Z",
    Type: "AWS-HMAC",
    AccessKeyId: keys.accessKeyId,
    SecretAccessKey: keys.secretAccessKey,
    Token: keys.sessionToken,
    Expiration: "2099-01-01T00:00:00Z",
  };
  const server = Bun.serve({
    unix: socket,
    routes: {
      "/latest/api/token": { PUT: () => new Response("token", { headers: TOKEN_LIFETIME }) },
      "/latest/meta-data/iam/security-credentials/": () => new Response("instance"),
      "/latest/meta-data/iam/security-credentials/instance": () => Response.json(document),
    },
    fetch: () => new Response("", { status: 404 }),
  });
  const there = await lend(socket, enter, METADATA_ADDRESS, 80);
  return {
    async stop() {
      await Promise.all([there.stop(), server.stop(true)]);
      meeting.remove();
    },
  };
}

/** Seconds; the most that there are. */
const TOKEN_LIFETIME = { "x-aws-ec2-metadata-token-ttl-seconds": "21600" };
