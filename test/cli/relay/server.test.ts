import { afterEach, expect, test } from "bun:test";
import { KeyholeError } from "../../../src/errors.ts";
import { type Relay, shareFlight, startRelay } from "../../../src/cli/vending/container-endpoint.ts";
import { thrownBy } from "../../thrown.ts";
import { PROCESS_LINE } from "../fakes/daemon.ts";

const running: Relay[] = [];
afterEach(() => {
  for (const started of running.splice(0)) started.stop();
});

const line = new TextEncoder().encode(PROCESS_LINE);

function relay(fetch = () => Promise.resolve({ line })): Relay {
  const started = startRelay({ port: 0, fetch, timeoutMs: 1000 });
  running.push(started);
  return started;
}

const ask = ({ url, token }: Relay, init: RequestInit = {}) =>
  fetch(url, { ...init, headers: { Authorization: token, ...(init.headers as Record<string, string>) } });

/** What a raw request gets, until the relay closes the connection. */
async function raw({ url }: Relay, request: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(url).port),
    socket: { data: (_, chunk) => void (answer += chunk.toString()), close: () => resolve(answer) },
  });
  socket.write(request);
  return promise;
}

test("the token gets what an SDK's container provider reads, and nothing keeps it", async () => {
  const response = await ask(relay());
  expect(await response.json()).toEqual({
    AccessKeyId: "ASIAEXAMPLE",
    SecretAccessKey: "se/cr+et",
    Token: "to//ken==",
    Expiration: "2026-11-20T13:00:00Z",
    AccountId: "111122223333",
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("content-type")).toStartWith("application/json");
});

test("the endpoint is on 127.0.0.1, and its token has 256 random bits", () => {
  const [one, other] = [relay(), relay()];
  expect(one.url).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+\/credentials$/);
  expect(Buffer.from(one.token, "base64url")).toHaveLength(32);
  expect(one.token).not.toBe(other.token);
});

test("another address of this machine does not lead there", async () => {
  const { port } = new URL(relay().url);
  const failure = await Bun.connect({ hostname: "127.0.0.2", port: Number(port), socket: { data: () => {} } }).then(
    (socket) => socket.end(),
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(Error);
});

const wrong: readonly [title: string, (at: Relay) => Promise<Response>, status: number][] = [
  ["no token", ({ url }) => fetch(url), 401],
  ["an empty token", (at) => ask(at, { headers: { Authorization: "" } }), 403],
  ["another token", (at) => ask(at, { headers: { Authorization: relay().token } }), 403],
  ["a token with one character more", (at) => ask(at, { headers: { Authorization: `${at.token}A` } }), 403],
  ["a token with one character less", (at) => ask(at, { headers: { Authorization: at.token.slice(0, -1) } }), 403],
  ["a token behind a scheme", (at) => ask(at, { headers: { Authorization: `Bearer ${at.token}` } }), 403],
  ["another host", (at) => ask(at, { headers: { Host: "evil.example" } }), 403],
  ["the host without the port", (at) => ask(at, { headers: { Host: "127.0.0.1" } }), 403],
  [
    "another name of the host",
    (at) => ask(at, { headers: { Host: at.url.split("/")[2]!.replace("127.0.0.1", "localhost") } }),
    403,
  ],
  ["another path", (at) => ask({ ...at, url: `${at.url}/x` }), 404],
  ["the root", (at) => ask({ ...at, url: new URL("/", at.url).href }), 404],
  ["a query", (at) => ask({ ...at, url: `${at.url}?x` }), 404],
  ["POST", (at) => ask(at, { method: "POST" }), 405],
  ["PUT", (at) => ask(at, { method: "PUT" }), 405],
  ["HEAD", (at) => ask(at, { method: "HEAD" }), 405],
];

test.each(wrong)("%s gets no credentials, and the grant is not asked", async (_, send, status) => {
  let asked = 0;
  const response = await send(
    relay(() => {
      asked += 1;
      return Promise.resolve({ line });
    }),
  );
  expect({ status: response.status, asked }).toEqual({ status, asked: 0 });
  expect(await response.text()).not.toContain("ASIA");
});

test("without the token nobody learns which paths there are", async () => {
  const at = relay();
  const there = await fetch(at.url);
  const nowhere = await fetch(`${at.url}/x`);
  expect([nowhere.status, await nowhere.text()]).toEqual([there.status, await there.text()]);
});

test.each([
  [
    "two hosts",
    (at: Relay) =>
      `GET /credentials HTTP/1.1\r\nHost: ${new URL(at.url).host}\r\nHost: x\r\nAuthorization: ${at.token}\r\nConnection: close\r\n\r\n`,
  ],
  ["a host in the request line only", (at: Relay) => `GET ${at.url} HTTP/1.0\r\nAuthorization: ${at.token}\r\n\r\n`],
  [
    "a body",
    (at: Relay) =>
      `POST /credentials HTTP/1.1\r\nHost: ${new URL(at.url).host}\r\nAuthorization: ${at.token}\r\nContent-Length: 1000000\r\n\r\n`,
  ],
  [
    "headers without end",
    (at: Relay) => `GET /credentials HTTP/1.1\r\nHost: ${new URL(at.url).host}\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
  ],
  ["what is not HTTP", () => "\0\0\0\u0002\u0001\u000f\r\n\r\n"],
] as const)("%s is an error and nothing else", async (_, request) => {
  const at = relay();
  expect(await raw(at, request(at))).toMatch(/^HTTP\/1\.1 4[0-9]{2} /);
});

test.each([
  ["revoked", 403, "this grant was revoked"],
  ["expired", 403, "this grant has expired"],
  ["used-up", 403, "this grant is used up"],
  ["denied", 403, "a person was asked and did not allow it"],
  ["forbidden", 403, "this socket gives the credentials of one grant to its holder, and nothing else"],
  ["blocked", 403, "this sandbox does not permit Unix sockets"],
  ["person-needed", 403, "a person has to renew the source of these credentials"],
  ["aws-refused", 403, "AWS refused to give these credentials"],
  ["unreachable", 503, "the daemon does not answer for this grant"],
  ["throttled", 503, "this daemon, or AWS, is asked too often"],
  ["timeout", 503, "no answer came in time"],
  ["network", 503, "AWS cannot be reached"],
  ["shutting-down", 503, "the daemon is shutting down"],
  ["internal", 500, "the daemon cannot give these credentials"],
] as const)("a grant's %s is status %i, in a fixed text", async (kind, status, message) => {
  const response = await ask(relay(() => Promise.reject(new KeyholeError(kind, "from arn:aws:iam::1:role/x"))));
  expect(response.status).toBe(status);
  expect(await response.json()).toEqual({ code: kind, message, Code: kind, Message: message });
});

test("a bug of ours is told as such, without its text", async () => {
  const response = await ask(relay(() => Promise.reject(new Error("the secret is se/cr+et"))));
  expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining("se/cr+et")]);
});

test("whoever asks at the same time gets one answer of the grant, and the next one another", async () => {
  let asked = 0;
  const first = Promise.withResolvers<string>();
  const together = shareFlight(() => {
    asked += 1;
    return asked === 1 ? first.promise : Promise.resolve("second");
  });
  const three = [together(), together(), together()];
  first.resolve("first");
  expect(await Promise.all(three)).toEqual(["first", "first", "first"]);
  expect([await together(), asked]).toEqual(["second", 2]);
});

test("a grant is asked again for every request that comes later", async () => {
  let asked = 0;
  const at = relay(() => {
    asked += 1;
    return Promise.resolve({ line });
  });
  for (let request = 0; request < 3; request += 1) expect((await ask(at)).status).toBe(200);
  expect(asked).toBe(3);
});

test("an error is not remembered", async () => {
  let asked = 0;
  const at = relay(async () => {
    asked += 1;
    if (asked === 1) throw new KeyholeError("unreachable", "gone");
    return { line };
  });
  expect((await ask(at)).status).toBe(503);
  expect((await ask(at)).status).toBe(200);
});

test("a port that is taken is an error of usage that names it", () => {
  const { port } = new URL(relay().url);
  const again = () => startRelay({ port: Number(port), fetch: () => Promise.resolve({ line }), timeoutMs: 1000 });
  expect(thrownBy(again)).toMatchObject({ kind: "usage", message: `port ${port} of 127.0.0.1 is taken` });
});

test("nobody else can listen at its port beside it", () => {
  const { port } = new URL(relay().url);
  expect(() => Bun.serve({ hostname: "127.0.0.1", port, reusePort: true, fetch: () => new Response() })).toThrow();
});

test("a relay that has stopped answers nobody", async () => {
  const at = relay();
  at.stop();
  const failure = await ask(at).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
});
