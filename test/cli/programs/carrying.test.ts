// The loopback of a sandbox, carried to a grant's socket; and through its proxy where it forbids Unix sockets.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { carry, wayTo } from "../../../src/cli/programs/carrying.ts";

/** Below a file no socket can be, as where they are forbidden: the way to them fails, and not for want of one. */
const CLOSED = import.meta.path;

const servers: net.Server[] = [];
/** What was asked of the proxy. */
let heads: string[];
/** Of the proxy, to a CONNECT; what it does not answer with it sends on. */
let answers: string[];

beforeEach(() => {
  heads = [];
  answers = [];
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function listen(serve: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port));
  });
}

async function proxyBefore(grant: number): Promise<string> {
  const port = await listen((socket) => {
    socket.once("data", (head) => {
      heads.push(head.toString());
      const answer = answers.shift() ?? "HTTP/1.1 200 Connection Established\r\n\r\n";
      if (!answer.includes(" 200 ")) return socket.end(answer);
      const upstream = net.connect(grant, "127.0.0.1");
      socket.on("data", (bytes) => upstream.write(bytes));
      // In pieces: the head's end need not come in one.
      for (const piece of answer.match(/[^]{1,30}/g) ?? []) socket.write(piece);
      upstream.pipe(socket);
      return undefined;
    });
  });
  return `http://us%3Der:p%40ss@localhost:${port}`;
}

/** @returns what a client of the carried port gets for what it sends */
async function exchange(proxy: string, sent: string): Promise<string> {
  const port = await listen(() => undefined);
  servers.pop()?.close();
  const stop = carry(port, await wayTo(CLOSED, 4711, { HTTP_PROXY: proxy }));
  const client = net.connect(port, "127.0.0.1");
  client.write(sent);
  const got = await new Promise<string>((resolve) => {
    client.on("data", (bytes) => resolve(bytes.toString()));
    client.on("close", () => resolve("closed"));
    client.on("error", () => undefined);
  });
  stop();
  return got;
}

const echo = (socket: net.Socket) => void socket.on("data", (bytes) => socket.write(`grant: ${bytes.toString()}`));

test("bytes go through the proxy to the grant's port, with the proxy's own user", async () => {
  expect(await exchange(await proxyBefore(await listen(echo)), "GET /s3/")).toBe("grant: GET /s3/");
  const user = Buffer.from("us=er:p@ss").toString("base64");
  expect(heads).toEqual([
    `CONNECT 127.0.0.1:4711 HTTP/1.1\r\nHost: 127.0.0.1:4711\r\nProxy-Authorization: Basic ${user}\r\n\r\n`,
  ]);
});

test("what follows the proxy's head at once is the grant's", async () => {
  const proxy = await proxyBefore(await listen(echo));
  // Written without a scheme, as many do.
  answers = ["HTTP/1.1 200 OK\r\nVia: srt\r\n\r\nfirst bytes"];
  expect(await exchange(proxy.replace("http://", ""), "")).toBe("first bytes");
});

test("a proxy that refuses is asked again, as a daemon that restarts is", async () => {
  const proxy = await proxyBefore(await listen(echo));
  answers = ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n\r\n", "no HTTP\r\n\r\n"];
  expect(await exchange(proxy, "GET /")).toBe("grant: GET /");
  expect(heads).toHaveLength(4);
});

test.each([{}, { HTTP_PROXY: "" }, { HTTP_PROXY: "http://[" }])(
  "without a proxy there is no way: %j",
  async (environment) => {
    const failure = await wayTo(CLOSED, 4711, environment).catch((error: unknown) => error);
    expect(failure).toMatchObject({ kind: "blocked", message: expect.stringContaining("forbids Unix sockets") });
  },
);

async function readAll(socket: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of socket as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

describe("to the grant's socket", () => {
  let directory: string;
  let stop: () => void;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "keyhole-carry-"));
  });
  afterEach(() => {
    stop();
    rmSync(directory, { recursive: true });
  });

  async function carried(serve: (socket: net.Socket) => void): Promise<net.Socket> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => undefined);
      serve(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => void server.listen(join(directory, "sign"), resolve));
    const port = await listen(() => undefined);
    servers.pop()?.close();
    stop = carry(port, await wayTo(directory, port, {}));
    return net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined);
  }

  const large = Buffer.alloc(16 * 2 ** 20, "0123456789abcdef-");

  test("more than any buffer takes arrives whole, with the end behind it", async () => {
    const arrived = Promise.withResolvers<Buffer>();
    const client = await carried((socket) => void readAll(socket).then(arrived.resolve));
    client.end(large);
    expect((await arrived.promise).equals(large)).toBe(true);
    client.destroy();
  });

  test("an answer whose server closes behind it is whole", async () => {
    const client = await carried((socket) => void socket.once("data", () => socket.end(large)));
    client.write("GET /");
    expect((await readAll(client)).equals(large)).toBe(true);
    client.destroy();
  });

  test("what was not read is sent again, and what was read is not", async () => {
    const got: string[] = [];
    let connections = 0;
    const server = Bun.listen({
      unix: join(directory, "sign"),
      socket: {
        open: (socket) => {
          connections += 1;
          if (connections === 3) return;
          // As the daemon, which reads nothing of what comes before its signer listens.
          socket.pause();
          setTimeout(() => socket.terminate(), connections === 1 ? 0 : 20);
        },
        // As a signer that is killed when it has passed a request on.
        data: (socket, bytes) => {
          got.push(bytes.toString());
          socket.terminate();
        },
      },
    });
    const port = await listen(() => undefined);
    servers.pop()?.close();
    stop = carry(port, await wayTo(directory, port, {}));
    const client = net.connect(port, "127.0.0.1").on("error", () => undefined);
    client.write("POST /");
    expect((await readAll(client)).toString()).toBe("");
    expect([got, connections]).toEqual([["POST /"], 3]);
    server.stop(true);
  });

  test("an end of the grant ends a client that still sends", async () => {
    const client = await carried((socket) => {
      socket.write("early");
      socket.once("data", () => socket.destroy());
    });
    const closed = new Promise<void>((resolve) => void client.once("close", () => resolve()));
    client.resume();
    client.write(large);
    await closed;
  });
});
