// A signer's server between a client and an upstream, either of which may be hostile.
import { afterEach, expect, test } from "bun:test";
import http from "node:http";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { Budget } from "../../src/signer/body.ts";
import { exchangeOf } from "../../src/signer/exchange.ts";
import type { Entry, Signer } from "../../src/signer/serve.ts";
import { createServer } from "../../src/signer/server.ts";
import { type Keys, signRequest, type Header } from "../../src/signer/sigv4.ts";

const DUMMY: Keys = { accessKeyId: "ASIADUMMY", secretAccessKey: "dummy", sessionToken: undefined };
const REAL: Keys = { accessKeyId: "ASIAREALREALREAL", secretAccessKey: "real/secret", sessionToken: "real/token+x==" };

const opened: net.Server[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) server.close();
});

async function listen(server: net.Server): Promise<number> {
  opened.push(server);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** @param upstream what is done with a connection to it */
async function begin(upstream: (socket: net.Socket) => void) {
  const upstreamPort = await listen(net.createServer(upstream));
  const entries: Entry[] = [];
  const signer: Signer = {
    dummy: DUMMY,
    policy: { allow: [], deny: [], confirm: [], regions: [], resources: [] },
    endpoints: { fips: false, dualStack: false, url: `http://127.0.0.1:${upstreamPort}`, services: {} },
    credentials: () => Promise.resolve(REAL),
    take: () => Promise.resolve(),
    confirm: () => Promise.resolve(true),
    record: (entry) => void entries.push(entry),
    now: Date.now,
    budget: new Budget(),
    agents: { http: new http.Agent({ keepAlive: true }), https: new https.Agent() },
  };
  const port = await listen(createServer(signer));
  const head = (method: string, path: string, more: readonly Header[] = []): string => {
    const { headers } = signRequest(
      {
        method,
        path,
        query: "",
        headers: [
          ["host", "127.0.0.1"],
          ["x-amz-content-sha256", "UNSIGNED-PAYLOAD"],
        ],
      },
      {
        keys: DUMMY,
        scope: { region: "eu-west-1", service: "s3" },
        now: Date.now(),
        pathForm: "as-is",
        payloadHash: "UNSIGNED-PAYLOAD",
      },
    );
    const lines = [...headers, ...more].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return `${method} ${path} HTTP/1.1\r\n${lines}\r\n`;
  };
  return { head, port, entries };
}

/** What comes back, until the connection is closed. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let all = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (part) => (all += part.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(all));
  });
}

const CLOSE: Header = ["connection", "close"];

test("what AWS quotes of the keys in an error goes no further", async () => {
  const { head, port } = await begin((socket) => {
    let seen = "";
    socket.on("data", (part) => {
      seen += part.toString("latin1");
      if (!seen.includes("\r\n\r\n")) return;
      const body = `<Error>${seen} ${REAL.sessionToken!.replaceAll("/", "\\/")} ${encodeURIComponent(REAL.sessionToken!)}</Error>`;
      socket.end(`HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
  });
  const answer = await exchange(port, head("GET", "/s3/bucket/key", [CLOSE, ["accept-encoding", "gzip"]]));
  expect(answer).toStartWith("HTTP/1.1 403");
  expect(answer).toContain("x-amz-security-token");
  expect(answer).not.toMatch(/ASIAREAL|real|gzip/);
});

test("a body without a frame of its own is framed, and is no request", async () => {
  let seen = "";
  const { head, port } = await begin((socket) => {
    socket.on("data", (part) => {
      seen += part.toString("latin1");
      if (seen.endsWith("0\r\n\r\n") || seen.endsWith("smuggled\r\n\r\n"))
        socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    });
  });
  const body = "GET /smuggled HTTP/1.1\r\nhost: smuggled\r\n\r\n";
  const more: Header[] = [CLOSE, ["transfer-encoding", "chunked"]];
  const bytes = `${head("DELETE", "/s3/bucket/key", more)}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  expect(await exchange(port, bytes)).toStartWith("HTTP/1.1 200");
  expect(seen).toContain("transfer-encoding: chunked");
  expect(seen).toEndWith(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
});

test("a record is short, however long what was asked for is", async () => {
  const { head, port, entries } = await begin((socket) => socket.destroy());
  await exchange(port, head("TRACE", "/s3/bucket/key", [CLOSE]));
  await exchange(port, head("GET", `/s3/bucket/${"k".repeat(30_000)}`, [CLOSE]));
  expect(entries.map(({ status }) => status)).toEqual([400, 503]);
  expect(entries[1]!.resource).toStartWith("bucket/kkk");
  expect(JSON.stringify(entries).length).toBeLessThan(6_000);
});

test("the connection of an upload that was answered early is not used again", async () => {
  const connections: string[] = [];
  const { head, port } = await begin((socket) => {
    const at = connections.push("") - 1;
    socket.on("error", () => {});
    socket.on("data", (part) => {
      connections[at] += part.toString("latin1");
      if (connections[at]!.split("\r\n\r\n").length === 2 || connections[at]!.endsWith("\r\n\r\n"))
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
  });
  const upload = head("PUT", "/s3/bucket/large", [["content-length", "1000000"]]);
  const first = net.connect(port, "127.0.0.1", () => first.write(`${upload}begin`));
  first.on("error", () => {});
  await new Promise((resolve) => first.once("data", resolve));
  expect(await exchange(port, head("GET", "/s3/bucket/small", [CLOSE]))).toStartWith("HTTP/1.1 200");
  first.destroy();
  const withSmall = connections.filter((each) => each.includes("small"));
  expect(withSmall).toHaveLength(1);
  expect(withSmall[0]).not.toContain("large");
});

test("only the body of a request must come in time, and not its answer", async () => {
  const port = await listen(
    http.createServer((incoming, outgoing) => {
      const one = exchangeOf(incoming, outgoing, false);
      one.limitBody(100);
      one.body.on("end", () => setTimeout(() => one.answer(200, []).end("late"), 500)).resume();
    }),
  );
  const answer = await exchange(port, "PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx");
  expect(answer).toEndWith("\r\n\r\nlate");
  expect(await exchange(port, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nx")).toBe("");
});
