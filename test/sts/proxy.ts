// A forward proxy on the loopback, for tests of HTTPS_PROXY and HTTP_PROXY: CONNECT, and requests with an absolute
// URI. It writes down what it was asked for and never leaves the machine.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface ProxyOptions {
  /** Where every target is led, whatever its name, so that a test can use AWS's host names. */
  readonly upstream?: string;
}

export interface Proxy {
  readonly url: string;
  /** `host:port` of every request, in order. */
  readonly targets: readonly string[];
  stop(): Promise<void>;
}

/** The head of a request: where it wants to go, and what is to be sent there. */
interface Head {
  readonly target: URL;
  readonly isTunnel: boolean;
  readonly forwarded: string;
}

/** Bytes; a longer head is no request of a test's. */
const LONGEST_HEAD = 64 * 1024;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export async function startProxy(options: ProxyOptions = {}): Promise<Proxy> {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((client) => {
    track(client);
    client.on("error", () => client.destroy());
    readHead(client, (head, rest) => {
      targets.push(`${head.target.hostname}:${portOf(head.target)}`);
      const destination = options.upstream === undefined ? head.target : new URL(options.upstream);
      if (LOOPBACK.test(destination.hostname)) {
        const upstream = track(connect(portOf(destination), destination.hostname));
        join(client, upstream, head, rest);
      } else client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function join(client: Socket, upstream: Socket, head: Head, rest: Buffer): void {
  let isConnected = false;
  upstream.on("connect", () => {
    isConnected = true;
    if (head.isTunnel) client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    upstream.write(head.forwarded);
    upstream.write(rest);
    client.pipe(upstream).pipe(client);
  });
  upstream.on("error", () => {
    if (isConnected) client.destroy();
    else client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  upstream.on("close", () => client.end());
  client.on("close", () => upstream.destroy());
}

function readHead(client: Socket, onHead: (head: Head, rest: Buffer) => void): void {
  let received = Buffer.alloc(0);
  const read = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf("\r\n\r\n");
    if (end < 0 && received.length < LONGEST_HEAD) return;
    client.off("data", read);
    const head = end < 0 ? undefined : parseHead(received.subarray(0, end).toString("latin1"));
    if (head === undefined) client.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    else onHead(head, received.subarray(end + 4));
  };
  client.on("data", read);
}

function parseHead(text: string): Head | undefined {
  const [line = "", ...headers] = text.split("\r\n");
  const [method = "", uri = "", version = ""] = line.split(" ");
  if (method === "CONNECT") {
    return URL.canParse(`https://${uri}`)
      ? { target: new URL(`https://${uri}`), isTunnel: true, forwarded: "" }
      : undefined;
  }
  if (!URL.canParse(uri)) return undefined;
  const target = new URL(uri);
  // One request for each connection: a second one would bring its absolute URI to the upstream unseen.
  const kept = headers.filter((header) => !/^(proxy-|connection:)/i.test(header));
  const first = `${method} ${target.pathname}${target.search} ${version}`;
  return { target, isTunnel: false, forwarded: `${[first, ...kept, "Connection: close"].join("\r\n")}\r\n\r\n` };
}

function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}
