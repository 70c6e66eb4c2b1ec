import { afterEach, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { systemClock } from "../../src/clock.ts";
import { issuerOf } from "../../src/sources/sts/reach.ts";
import { generateCertificate, hasOpenssl } from "../sts/tls.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return (server.address() as AddressInfo).port;
}

/** Answers each CONNECT with `status`, and tells what it was asked. */
async function startProxy(status: number, asked: string[]): Promise<number> {
  const server = createServer((client) => {
    client.on("error", () => {});
    client.once("data", (question) => {
      asked.push(String(question));
      client.write(`HTTP/1.1 ${status} Words\r\n\r\n`);
      if (status !== 200) return client.end();
      const [, port = ""] = /^CONNECT [^:]+:(\d+)/.exec(String(question)) ?? [];
      const upstream = connect(Number(port), "127.0.0.1").on("error", () => {});
      client.on("close", () => upstream.destroy());
      return client.pipe(upstream).pipe(client);
    });
  });
  return listen(server);
}

test.skipIf(!hasOpenssl())("names the issuer, directly and through a proxy that wants a password", async () => {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, tls: generateCertificate(), fetch: () => new Response() });
  const url = new URL(`https://127.0.0.1:${server.port}/`);
  expect(await issuerOf(url, undefined, 30_000, systemClock)).toBe("localhost");
  const asked: string[] = [];
  const proxy = await startProxy(200, asked);
  expect(await issuerOf(url, `http://jo:a%2Bb%@127.0.0.1:${proxy}`, 30_000, systemClock)).toBe("localhost");
  expect(asked).toEqual([expect.stringContaining(`Proxy-Authorization: Basic ${btoa("jo:a%2Bb%")}\r\n`)]);
});

test("says nothing where a proxy refuses, or no TLS answers", async () => {
  using plain = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const url = new URL(`https://127.0.0.1:${plain.port}/`);
  expect(await issuerOf(url, undefined, 30_000, systemClock)).toBeUndefined();
  const proxy = `http://127.0.0.1:${await startProxy(407, [])}`;
  expect(await issuerOf(url, proxy, 30_000, systemClock)).toBeUndefined();
  expect(await issuerOf(url, "https://127.0.0.1:1", 30_000, systemClock)).toBeUndefined();
});
