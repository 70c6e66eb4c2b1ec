// The loopback of a sandbox, carried byte for byte to the socket of a grant that signs. Where the sandbox forbids Unix
// sockets, and has a proxy as the one way out, through that proxy to the grant's port on the host (`--listen`).
import { readFileSync } from "node:fs";
import { codeOf, KeyholeError } from "../../errors.ts";
import { listenerAt } from "../../server/peer-program.ts";
import type { Environment } from "../../environment.ts";
import { proxiesOf, proxyAuthorizationOf, proxyFor } from "../../sources/sts/proxy.ts";

const ADDRESS = "127.0.0.1";
/** Bytes that are sent again until they are read: the daemon, which listens there first, hands over to a signer. */
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

/** Connects to the grant; its handlers open what bytes may be sent on. */
type Reach = (handlers: Handlers) => Promise<unknown>;
type Handlers = Required<Pick<Bun.SocketHandler<undefined>, "open" | "data" | "drain" | "close" | "error">>;

/**
 * @param environment names the sandbox's proxy
 * @throws KeyholeError `blocked` where Unix sockets are forbidden and there is no proxy
 */
export async function wayTo(directory: string, port: number, environment: Environment): Promise<Reach> {
  if (!(await forbidsUnixSockets(directory)))
    return (socket) => Bun.connect({ unix: `${directory}/sign`, socket, data: undefined });
  // What the sandbox exempts is the same address on its own side.
  const proxy = proxyFor(new URL(`http://${ADDRESS}:${port}`), { ...proxiesOf(environment), no: "" });
  if (proxy === undefined || !URL.canParse(proxy)) {
    const message = "this sandbox forbids Unix sockets, and HTTP_PROXY names no way out of it";
    throw new KeyholeError("blocked", message, "let the sandbox connect to the grant's directory");
  }
  return (handlers) => tunnel(new URL(proxy), port, handlers);
}

/** By a name that no socket has. Where none can be made Bun 1.4.5 says ECONNREFUSED, whatever socket(2) said. */
async function forbidsUnixSockets(directory: string): Promise<boolean> {
  const socket = { data: () => {} };
  const error = await Bun.connect({ unix: `${directory}/none`, socket }).catch((reason: unknown) => reason);
  return codeOf(error) !== "ENOENT";
}

/** RFC 9110, section 9.3.6. The proxy's answer has no body, so that what follows its head is the grant's. */
function tunnel(proxy: URL, port: number, handlers: Handlers): Promise<unknown> {
  const authorization = proxyAuthorizationOf(proxy);
  const lines = [`CONNECT ${ADDRESS}:${port} HTTP/1.1`, `Host: ${ADDRESS}:${port}`];
  if (authorization !== undefined) lines.push(`Proxy-Authorization: ${authorization}`);
  let head = "";
  const socket: Handlers = {
    ...handlers,
    open: (opened) => void opened.write(`${lines.join("\r\n")}\r\n\r\n`),
    data: (opened, bytes) => {
      head += bytes.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0 && head.length < LONGEST_HEAD) return;
      if (end < 0 || !/^HTTP\/1\.[01] 2\d\d /.test(head)) {
        opened.terminate();
        return;
      }
      // Its reset is not the grant's.
      opened.reload({ socket: { ...handlers, close: (closed) => handlers.close(closed) } });
      void handlers.open(opened);
      if (end + 4 < head.length) void handlers.data(opened, Buffer.from(head.slice(end + 4), "latin1"));
    },
  };
  return Bun.connect({ hostname: proxy.hostname, port: Number(proxy.port || 80), socket, data: undefined });
}

/** @returns what ends it. @throws KeyholeError `usage` for a port that is taken, `blocked` where nothing may listen */
export function carry(port: number, reach: Reach): () => void {
  const open = new Set<Client>();
  try {
    const server = Bun.listen<Client>({
      hostname: ADDRESS,
      port,
      exclusive: true,
      allowHalfOpen: true,
      socket: {
        open: (connection) => {
          connection.data = connect(connection, reach);
          open.add(connection.data);
        },
        data: ({ data }, bytes) => data.read(bytes),
        drain: ({ data }) => data.drain(),
        end: ({ data }) => data.end(),
        close: ({ data }) => {
          open.delete(data);
          data.close();
        },
        error: (connection) => connection.terminate(),
      },
    });
    return () => {
      server.stop();
      for (const client of open) client.cut();
    };
  } catch (error) {
    throw unusable(port, error);
  }
}

function unusable(port: number, error: unknown): KeyholeError {
  const code = codeOf(error) ?? "unknown";
  if (code !== "EADDRINUSE")
    return new KeyholeError("blocked", `nothing may listen at port ${port} of ${ADDRESS} (${code})`);
  const owner = listenerAt(port);
  const way = owner === undefined ? "end what listens there" : `kill ${owner}`;
  const hint = `${way}, or make the grant again on the host, with another port: keyhole grant add --port N`;
  const by = owner === undefined ? "" : ` by process ${owner}`;
  return new KeyholeError("usage", `port ${port} of ${ADDRESS}, which is this grant's, is taken${by}`, hint);
}

/** What becomes of a connection to the port. */
interface Client {
  read(bytes: Buffer): void;
  drain(): void;
  end(): void;
  close(): void;
  cut(): void;
}

/** One side of what is carried. Bun's own sockets: those of node:net take half as much time again for each byte. */
class Side {
  #waiting: Uint8Array[] = [];
  /** Whether its kernel took anything. */
  hasTaken = false;
  #ending: "shutdown" | "end" | undefined;
  readonly socket: Bun.Socket<never>;

  constructor(socket: unknown) {
    this.socket = socket as Bun.Socket<never>;
  }

  /** @returns whether more may come before `drain` */
  write(bytes: Uint8Array): boolean {
    // Bun says -1 of a socket that is closed.
    const written = this.#waiting.length > 0 ? 0 : Math.max(0, this.socket.write(bytes));
    this.hasTaken ||= written > 0;
    if (written < bytes.length) this.#waiting.push(bytes.subarray(written));
    return this.#waiting.length === 0;
  }

  /** @returns as `write` does */
  drain(): boolean {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const bytes of waiting) this.write(bytes);
    if (this.#waiting.length > 0) return false;
    if (this.#ending !== undefined) this.socket[this.#ending]();
    return true;
  }

  /** Behind what waits: its own direction, or both. */
  finish(ending: "shutdown" | "end"): void {
    this.#ending = ending;
    this.drain();
  }
}

function connect(socket: unknown, reach: Reach): Client {
  const client = new Side(socket);
  /** Sent, and not known to be read; undefined where it is too much to be sent again, or was read. */
  let kept: Uint8Array[] | undefined = [];
  let length = 0;
  let attempts = 0;
  let upstream: Side | undefined;
  let hasEnded = false;
  let isClosed = false;
  attempt();

  function attempt(): void {
    attempts += 1;
    reach({
      open: (opened) => {
        upstream = new Side(opened);
        if (isClosed) opened.terminate();
        // One who has read nothing yet is sent no more than its kernel takes.
        const takesMore = (kept ?? []).map((bytes) => upstream?.write(bytes)).every(Boolean);
        if (hasEnded) upstream.finish("shutdown");
        if (takesMore) client.socket.resume();
      },
      data: (opened, bytes) => {
        kept = undefined;
        if (!client.write(bytes)) opened.pause();
      },
      drain: () => {
        if (upstream?.drain() === true) client.socket.resume();
      },
      close: (_, reason) => {
        // Linux says ECONNRESET where some were not read. A request that was read whole may have been done: never twice.
        if (upstream?.hasTaken === true && codeOf(reason) !== "ECONNRESET") kept = undefined;
        lost();
      },
      error: (opened) => opened.terminate(),
    }).catch(lost);
  }

  function lost(): void {
    upstream = undefined;
    if (isClosed) return;
    if (kept !== undefined && attempts < ATTEMPTS) setTimeout(attempt, attempts === 1 ? 0 : PAUSE);
    else client.finish("end");
  }

  return {
    read: (bytes) => {
      length += bytes.length;
      kept?.push(bytes);
      if (upstream === undefined) {
        client.socket.pause();
        return;
      }
      if (length > KEPT) kept = undefined;
      if (!upstream.write(bytes)) client.socket.pause();
    },
    drain: () => {
      if (client.drain()) upstream?.socket.resume();
    },
    end: () => {
      hasEnded = true;
      upstream?.finish("shutdown");
    },
    close: () => {
      isClosed = true;
      upstream?.socket.terminate();
    },
    cut: () => client.socket.terminate(),
  };
}
