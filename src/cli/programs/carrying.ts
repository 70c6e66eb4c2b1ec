// The loopback of a sandbox, carried byte for byte to the socket of a grant that signs. Where the sandbox forbids Unix
// sockets, and has a proxy as the one way out, through that proxy to the grant's port on the host (`--listen`).
import net from "node:net";
import { readFileSync } from "node:fs";
import { codeOf, KeyholeError } from "../../errors.ts";
import type { Environment } from "../../environment.ts";
import { proxiesOf, proxyFor } from "../../sources/sts/proxy.ts";

const ADDRESS = "127.0.0.1";
/** Bytes that are sent again until the first answer: who listens there may hand over to another, and has read none of them. */
const KEPT = 1024 * 1024;
/** Attempts, and milliseconds between them: a signer needs some 50 ms to start. */
const ATTEMPTS = 100;
const PAUSE = 50;
/** Bytes of a proxy's answer. */
const LONGEST_HEAD = 16 * 1024;

/** Where its AWS config leads the SDKs. @throws KeyholeError `not-a-grant` */
export function portOf(directory: string): number {
  const config = readFileSync(`${directory}/aws-config`, "utf8");
  const port = /endpoint_url = http:\/\/127\.0\.0\.1:(\d+)\//.exec(config)?.[1];
  if (port === undefined) throw new KeyholeError("not-a-grant", `${directory}/aws-config leads to no grant that signs`);
  return Number(port);
}

/** A connection to the grant on which bytes may be sent. */
type Reach = () => Promise<net.Socket>;

/**
 * @param environment names the sandbox's proxy
 * @throws KeyholeError `blocked` where Unix sockets are forbidden and there is no proxy
 */
export async function wayTo(directory: string, port: number, environment: Environment): Promise<Reach> {
  if (!(await forbidsUnixSockets(directory))) return () => dial(net.connect(`${directory}/sign`));
  // What the sandbox exempts is the same address on its own side.
  const proxy = proxyFor(new URL(`http://${ADDRESS}:${port}`), { ...proxiesOf(environment), no: "" });
  if (proxy === undefined || !URL.canParse(proxy)) {
    const message = "this sandbox forbids Unix sockets, and HTTP_PROXY names no way out of it";
    throw new KeyholeError("blocked", message, "let the sandbox connect to the grant's directory");
  }
  return () => tunnel(new URL(proxy), port);
}

/** By a name that no socket has. Where none can be made Bun 1.4.5 says ECONNREFUSED, whatever socket(2) said. */
async function forbidsUnixSockets(directory: string): Promise<boolean> {
  const error = await dial(net.connect(`${directory}/none`)).catch((reason: unknown) => reason);
  return codeOf(error) !== "ENOENT";
}

function dial(socket: net.Socket): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

/** RFC 9110, section 9.3.6. The proxy's answer has no body, so that what follows its head is the grant's. */
async function tunnel(proxy: URL, port: number): Promise<net.Socket> {
  const socket = await dial(net.connect({ host: proxy.hostname, port: Number(proxy.port || 80) }));
  const user = [proxy.username, proxy.password].map(decodeURIComponent).join(":");
  const lines = [`CONNECT ${ADDRESS}:${port} HTTP/1.1`, `Host: ${ADDRESS}:${port}`];
  if (user !== ":") lines.push(`Proxy-Authorization: Basic ${Buffer.from(user).toString("base64")}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  let head = "";
  for await (const bytes of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    head += bytes.toString("latin1");
    const end = head.indexOf("\r\n\r\n");
    if (end < 0 && head.length < LONGEST_HEAD) continue;
    if (end < 0 || !/^HTTP\/1\.[01] 2\d\d /.test(head)) break;
    const rest = head.slice(end + 4);
    if (rest !== "") socket.unshift(Buffer.from(rest, "latin1"));
    return socket;
  }
  socket.destroy();
  throw new KeyholeError("blocked", "the sandbox's proxy refuses the grant's port");
}

/** @returns what ends it. @throws KeyholeError `usage` for a port that is taken, `blocked` where nothing may listen */
export async function carry(port: number, reach: Reach): Promise<() => void> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ pauseOnConnect: true }, (client) => {
    open.add(client);
    client.on("close", () => open.delete(client));
    connect(client, reach);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(unusable(port, error)));
    server.listen({ host: ADDRESS, port, exclusive: true }, resolve);
  });
  return () => {
    server.close();
    for (const client of open) client.destroy();
  };
}

function unusable(port: number, error: Error): KeyholeError {
  const code = codeOf(error) ?? "unknown";
  if (code !== "EADDRINUSE")
    return new KeyholeError("blocked", `nothing may listen at port ${port} of ${ADDRESS} (${code})`);
  const hint = "end what listens there, or make the grant with another port: keyhole grant add --port N";
  return new KeyholeError("usage", `port ${port} of ${ADDRESS}, which is this grant's, is taken`, hint);
}

function connect(client: net.Socket, reach: Reach): void {
  /** Sent, and not known to be read; undefined where it is too much to be sent again, or was answered. */
  let kept: Buffer[] | undefined = [];
  let length = 0;
  let attempts = 0;
  let upstream: net.Socket | undefined;

  client.on("data", (bytes: Buffer) => {
    length += bytes.length;
    kept?.push(bytes);
    if (length > KEPT) kept = undefined;
    if (upstream?.write(bytes) === false) client.pause();
  });
  client.on("drain", () => upstream?.resume());
  client.on("end", () => upstream?.end());
  client.on("error", () => client.destroy());
  client.on("close", () => upstream?.destroy());
  void attempt();

  async function attempt(): Promise<void> {
    attempts += 1;
    client.pause();
    upstream = undefined;
    const socket = await reach().catch(() => undefined);
    if (socket === undefined) return again();
    if (client.destroyed) return void socket.destroy();
    upstream = socket;
    // One who has read nothing yet is sent no more than its kernel takes.
    const isFull = (kept ?? []).map((bytes) => socket.write(bytes)).includes(false);
    if (!isFull) client.resume();
    if (client.readableEnded) socket.end();
    socket.on("drain", () => client.resume());
    socket.on("data", (bytes) => {
      kept = undefined;
      if (!client.write(bytes)) socket.pause();
    });
    socket.on("end", () => {
      if (kept === undefined) client.end();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", again);
  }

  function again(): void {
    if (kept === undefined || client.destroyed || attempts >= ATTEMPTS) client.destroy();
    else setTimeout(() => void attempt(), attempts === 1 ? 0 : PAUSE);
  }
}
