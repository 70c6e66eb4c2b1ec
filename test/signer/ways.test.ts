// How a signer reaches AWS: directly, or through a proxy.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type http from "node:http";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWays, type Unreachable, unreachable } from "../../src/signer/ways.ts";
import { startProxy } from "../sts/proxy.ts";
import { generateCertificate } from "../sts/tls.ts";

const HOST = "s3.eu-west-1.amazonaws.com";
const NONE = { https: undefined, http: undefined, no: "" };
const AWS = { isTls: true, host: HOST, port: undefined, base: "", region: "eu-west-1" };
const PLAIN = { ...AWS, isTls: false, port: 9000 };

const disposed: (() => unknown)[] = [];
afterEach(async () => {
  for (const dispose of disposed.splice(0)) await dispose();
});

async function listen(server: net.Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  disposed.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A proxy that answers all with this. */
async function startStub(answer: string) {
  const heads: string[] = [];
  const address = await listen(
    net.createServer((socket) => {
      socket.once("data", (bytes) => {
        heads.push(bytes.toString("latin1"));
        socket.end(answer);
      });
    }),
  );
  return { address, heads };
}

const WRITTEN = { method: "PUT", path: "/a//b/..%2F?x=%2f", headers: [["host", HOST] as const] };

/** The answer, or why there is none. */
async function ask(way: ReturnType<ReturnType<typeof createWays>>): Promise<string> {
  const out = way.begin({ ...WRITTEN, headers: [...WRITTEN.headers, ["content-length", "0"]] });
  try {
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      out.once("response", resolve).once("error", reject).end();
    });
    let text = String(answer.statusCode);
    for await (const part of answer) text += ` ${part}`;
    return text;
  } catch (error) {
    return (way.proxy === undefined ? (error as Unreachable) : unreachable(way.proxy, error)).message;
  }
}

describe("a proxy", () => {
  test("makes tunnels to the host that is built, in which TLS is with that host, and which are kept", async () => {
    const certificate = generateCertificate([HOST]);
    const directory = mkdtempSync(join(tmpdir(), "ways-"));
    disposed.push(() => rmSync(directory, { recursive: true }));
    const authority = join(directory, "authority.pem");
    writeFileSync(authority, certificate.cert);
    const server = https.createServer(certificate, ({ method, url, headers }, response) => {
      response.end(`${method} ${url} ${headers.host}`);
    });
    const proxy = await startProxy({ upstream: `https://${await listen(server)}` });
    disposed.push(() => proxy.stop());
    const wayTo = createWays(authority, { ...NONE, https: proxy.url }, 4);
    for (const _ of [1, 2]) expect(await ask(wayTo(AWS))).toBe(`200 PUT ${WRITTEN.path} ${HOST}`);
    expect(proxy.targets).toEqual([`${HOST}:443`]);
    const other = wayTo({ ...AWS, host: "other.amazonaws.com" });
    expect(await ask(other)).toBe(`ERR_TLS_CERT_ALTNAME_INVALID through the proxy ${new URL(proxy.url).host}`);
    const untrusting = createWays(true, { ...NONE, https: proxy.url }, 4);
    expect(await ask(untrusting(AWS))).toContain("through the proxy");
  });

  test("is asked with its user and password, and neither is in an error", async () => {
    const { address, heads } = await startStub("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n");
    const url = `http://us%20er:ca%2Fnary@${address}`;
    const wayTo = createWays(true, { https: url, http: url, no: "" }, 4);
    expect(await ask(wayTo(AWS))).toBe(`the proxy ${address} does not let keyhole through (407)`);
    expect(await ask(wayTo(PLAIN))).toBe("407");
    const user = `proxy-authorization: Basic ${btoa("us er:ca/nary")}`;
    expect(heads).toEqual([expect.stringContaining(user), expect.stringContaining(user)]);
    expect(heads[0]).toStartWith(`CONNECT ${HOST}:443 HTTP/1.1\r\n`);
    expect(heads[1]).toStartWith(`PUT http://${HOST}:9000${WRITTEN.path} HTTP/1.1\r\nhost: ${HOST}\r\n`);
  });

  test("that answers no HTTP has no status", async () => {
    const { address } = await startStub("SSH-2.0-OpenSSH_9.6\r\n\r\n");
    const wayTo = createWays(true, { ...NONE, https: `http://${address}` }, 4);
    expect(await ask(wayTo(AWS))).toBe(`ERR_PROXY_TUNNEL through the proxy ${address}`);
  });

  test("that is not there is named", async () => {
    const wayTo = createWays(true, { ...NONE, https: "user:canary@127.0.0.1:1" }, 4);
    expect(await ask(wayTo(AWS))).toBe("ECONNREFUSED through the proxy 127.0.0.1:1");
  });

  test.each(["socks5://user:canary@127.0.0.1:1", "http://user:canary@[::1"])("is not gone past: %s", (url) => {
    expect(() => createWays(true, { ...NONE, https: url }, 4)(AWS)).toThrow(
      /^the proxy (?!.*canary).* is none of HTTP's$/,
    );
  });

  test("is not asked for what NO_PROXY names, nor for another protocol", () => {
    const wayTo = createWays(true, { ...NONE, https: "http://127.0.0.1:1", no: "amazonaws.com" }, 4);
    expect(wayTo(AWS).proxy).toBeUndefined();
    expect(wayTo({ ...AWS, host: "s3.amazonaws.com.cn" }).proxy).toBe("127.0.0.1:1");
    expect(wayTo(PLAIN).proxy).toBeUndefined();
  });
});
