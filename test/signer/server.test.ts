// A signer's server between a client and an upstream, either of which may be hostile.
import { afterEach, describe, expect, test } from "bun:test";
import http from "node:http";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import type { Writable } from "node:stream";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { Budget } from "../../src/signer/body.ts";
import { exchangeOf } from "../../src/signer/exchange.ts";
import type { Entry, Signer } from "../../src/signer/request.ts";
import { createServer } from "../../src/signer/server.ts";
import { type Header, type Keys, sha256, signRequest } from "../../src/signer/sigv4.ts";
import { createWays } from "../../src/signer/ways.ts";

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

/** @param upstream what is done with a connection to it. @param patience milliseconds */
async function begin(upstream: (socket: net.Socket) => void, patience?: number) {
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
    identify: () => undefined,
    now: Date.now,
    budget: new Budget(),
    wayTo: createWays(true, { https: undefined, http: undefined, no: "" }, 256),
  };
  const port = await listen(createServer(signer, 256, patience));
  const signed = (method: string, path: string, host: Header = ["host", "127.0.0.1"]) =>
    signRequest(
      { method, path, query: "", headers: [host, ["x-amz-content-sha256", "UNSIGNED-PAYLOAD"]] },
      {
        keys: DUMMY,
        scope: { region: "eu-west-1", service: "s3" },
        now: Date.now(),
        pathForm: "as-is",
        payloadHash: "UNSIGNED-PAYLOAD",
      },
    ).headers;
  const head = (method: string, path: string, more: readonly Header[] = []): string => {
    const lines = [...signed(method, path), ...more].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return `${method} ${path} HTTP/1.1\r\n${lines}\r\n`;
  };
  return { signed, head, port, entries, signer };
}

/** What comes back, until the connection is closed. @param more is sent every 20 ms */
function exchange(port: number, bytes: string | Buffer, more?: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    let all = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    const dripping = more === undefined ? undefined : setInterval(() => socket.write(more), 20);
    socket.on("data", (part) => (all += part.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => {
      clearInterval(dripping);
      resolve(all);
    });
  });
}

const PREFACE = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0)]);
/** A field of HPACK that no table has: `x: y`. */
const FIELD = Buffer.of(0, 1, 120, 1, 121);
/** GET of http. */
const REQUEST = Buffer.concat([Buffer.of(0x82, 0x86, 0x84), FIELD]);

const CLOSE: Header = ["connection", "close"];

/** Answers when it has the request's head. @param answer of what it has read, byte for byte */
const answering = (answer: (seen: string) => readonly (string | Buffer)[]) =>
  begin((socket) => {
    let seen = "";
    socket.on("data", (part) => {
      seen += part.toString("latin1");
      if (!seen.includes("\r\n\r\n")) return;
      void (async () => {
        for (const bytes of answer(seen)) await new Promise((resolve) => socket.write(bytes, resolve));
        socket.end();
      })();
    });
  });

const request = (head: Awaited<ReturnType<typeof begin>>["head"]) =>
  head("GET", "/s3/bucket", [CLOSE, ["accept-encoding", "gzip"]]);

describe("what AWS quotes of the keys", () => {
  const { sessionToken } = REAL;
  const hex = Buffer.from(sessionToken!).toString("hex");
  const quoted = [
    sessionToken!,
    sessionToken!.replaceAll("/", "\\/"),
    sessionToken!.replaceAll("=", "\\u003d").replaceAll("+", "\\u002b").replaceAll("/", "\\u002f"),
    encodeURIComponent(sessionToken!),
    encodeURIComponent(sessionToken!).toLowerCase(),
    hex,
    hex.toUpperCase().replaceAll(/..(?=.)/g, "$& "),
  ].join(" ");

  test("in an error, encoded or not, and in its headers", async () => {
    for (const encode of [undefined, gzipSync, deflateSync, brotliCompressSync]) {
      const { head, port } = await answering((seen) => {
        const text = `<Error>${seen} ${quoted}</Error>`;
        const body = encode === undefined ? Buffer.from(text) : encode(text);
        const encoding = encode === brotliCompressSync ? "br" : encode === deflateSync ? "deflate" : "gzip";
        return [
          `HTTP/1.1 403 Forbidden\r\nconnection: close\r\nx-said: ${REAL.accessKeyId} ${quoted}\r\n`,
          `${encode === undefined ? "" : `content-encoding: ${encoding}\r\n`}content-length: ${body.length}\r\n\r\n`,
          body,
        ];
      });
      const answer = await exchange(port, request(head));
      expect(answer).toStartWith("HTTP/1.1 403");
      expect(answer).toContain("x-amz-security-token");
      expect(answer).toContain("</Error>");
      expect(answer).not.toMatch(/ASIAREAL|real|gzip|deflate|7265616c|72 65 61 6C/);
    }
  });

  test("goes no further in an answer that comes byte by byte, whose length stays", async () => {
    const body = `<a>${REAL.accessKeyId} ASIAREAL ${sessionToken} </a>`;
    const { head, port } = await answering(() => [
      `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`,
      ...body.split(""),
    ]);
    const answer = await exchange(port, request(head));
    expect(answer).toEndWith(`<a>${"-".repeat(16)} ASIAREAL ${"-".repeat(sessionToken!.length)} </a>`);
  });

  test("an object is what it is", async () => {
    const body = gzipSync(REAL.accessKeyId);
    const { head, port } = await answering(() => [
      `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`,
      body,
    ]);
    const answer = await exchange(port, head("GET", "/s3/bucket/key", [CLOSE]));
    expect(answer).toContain("content-encoding: gzip");
    expect(answer).toEndWith(body.toString("latin1"));
  });

  test.each(["zstd", "gzip, br", "identity\r\ncontent-encoding: gzip, gzip"])(
    "what cannot be read is cut: %j",
    async (encoding) => {
      const { head, port, entries } = await answering(() => [
        `HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-encoding: ${encoding}\r\ncontent-length: 1\r\n\r\nx`,
      ]);
      expect(await exchange(port, request(head))).toStartWith("HTTP/1.1 503");
      expect(entries.map(({ status }) => status)).toEqual([503]);
    },
  );

  test("one encoding in the second of two headers is seen through", async () => {
    const body = gzipSync(`<a>${REAL.accessKeyId}</a>`);
    const { head, port } = await answering(() => [
      "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: identity\r\ncontent-encoding: gzip\r\n",
      `content-length: ${body.length}\r\n\r\n`,
      body,
    ]);
    const answer = await exchange(port, request(head));
    expect(answer).toContain(`<a>${"-".repeat(16)}</a>`);
    expect(answer).not.toContain("gzip");
  });
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

test.each([
  ["sns", "Action=CreateTopic&Name=t&Version=2010-03-31", "sns:CreateTopic", 200],
  ["rds", "Action=DescribeDBClusters&Version=2014-10-31", "docdb:DescribeDBClusters or neptune", 200],
  ["ec2", "Action=NoSuch&Version=2016-11-15", undefined, 403],
  ["monitoring", "Action=PutMetricData&Version=2010-08-01", "cloudwatch:PutMetricData", 200],
  ["kms", "Action=CreateKey&Version=2014-11-01", undefined, 404],
  ["s3", "", undefined, 404],
])(
  "of a form without an endpoint's path the signature names the service: %s %s",
  async (service, form, title, status) => {
    const { port, entries } = await answering(() => [
      "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ]);
    const type: Header = ["content-type", "application/x-www-form-urlencoded"];
    const { headers } = signRequest(
      { method: "POST", path: "/", query: "", headers: [["host", "127.0.0.1"], type] },
      {
        keys: DUMMY,
        scope: { region: "eu-west-1", service },
        now: Date.now(),
        pathForm: "as-is",
        payloadHash: sha256(form),
      },
    );
    const lines = [...headers, CLOSE, ["content-length", `${form.length}`]].map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const answer = await exchange(port, `POST / HTTP/1.1\r\n${lines.join("")}\r\n${form}`);
    expect(answer).toStartWith(`HTTP/1.1 ${status} `);
    expect(entries.map(({ operation }) => operation?.slice(0, title?.length))).toEqual([title]);
  },
);

test("a path with a # is none: what follows might be left out on the way", async () => {
  const { head, port, entries } = await answering(() => ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]);
  expect(await exchange(port, head("GET", "/s3/bucket/key#?acl", [CLOSE]))).toStartWith("HTTP/1.1 400");
  expect(entries.map(({ status }) => status)).toEqual([400]);
});

test("a record is short, however long what was asked for is", async () => {
  const { head, port, entries } = await begin((socket) => socket.destroy());
  await exchange(port, head("TRACE", "/s3/bucket/key", [CLOSE]));
  await exchange(port, head("GET", `/s3/bucket/${"k".repeat(30_000)}`, [CLOSE]));
  expect(entries.map(({ status }) => status)).toEqual([400, 503]);
  expect(entries[1]!.resource).toStartWith("bucket/kkk");
  expect(JSON.stringify(entries).length).toBeLessThan(6_000);
});

/** A server that reads whole requests, and says how many connections it has had. */
function reading(answer: (path: string) => readonly (string | Buffer)[]) {
  const arrived: { readonly path: string; readonly body: Buffer }[] = [];
  let connections = 0;
  const server = http.createServer((incoming) => {
    const parts: Buffer[] = [];
    incoming.on("data", (part: Buffer) => parts.push(part));
    incoming.on("error", () => {});
    incoming.on("end", () => {
      arrived.push({ path: incoming.url!, body: Buffer.concat(parts) });
      for (const bytes of answer(incoming.url!)) incoming.socket.write(bytes);
    });
  });
  const upstream = (socket: net.Socket) => {
    connections += 1;
    socket.on("error", () => {});
    server.emit("connection", socket);
  };
  return { upstream, arrived, connections: () => connections };
}

/** Of 3 MiB, and full of what would be a request elsewhere. */
const LARGE = Buffer.alloc(3 * 2 ** 20, "GET /s3/bucket/evil HTTP/1.1\r\nhost: x\r\n\r\n0\r\n\r\n");

describe("large bodies", () => {
  const length: Header = ["content-length", String(LARGE.length)];

  test("are whole, and a request begins where one ends", async () => {
    const { upstream, arrived } = reading(() => ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]);
    const { head, port } = await begin(upstream);
    const sent = ["one", "two"].flatMap((key) => [Buffer.from(head("PUT", `/s3/bucket/${key}`, [length])), LARGE]);
    // An answer goes out when its request is whole.
    const said = await exchange(port, Buffer.concat([...sent, Buffer.from(head("GET", "/s3/bucket/small", [CLOSE]))]));
    expect(said.match(/HTTP\/1.1 200/g)).toHaveLength(3);
    const bodies = new Map(arrived.map(({ path, body }) => [path, body]));
    expect([...bodies.keys()].toSorted()).toEqual(["/bucket/one", "/bucket/small", "/bucket/two"]);
    expect([bodies.get("/bucket/one")!.equals(LARGE), bodies.get("/bucket/two")!.equals(LARGE)]).toEqual([true, true]);
    expect(bodies.get("/bucket/small")).toHaveLength(0);
  });

  test("come down whole on a connection that is kept, and not after one of another length", async () => {
    const wrong = { "/bucket/long": [LARGE, "more"], "/bucket/short": [LARGE.subarray(1)] } as Record<string, Buffer[]>;
    const { upstream, connections } = reading((path) => [
      `HTTP/1.1 200 OK\r\ncontent-length: ${LARGE.length}\r\n\r\n`,
      ...(wrong[path] ?? [LARGE]),
    ]);
    const { head, port } = await begin(upstream, 1_000);
    const bodyOf = async (key: string) => {
      const said = await exchange(port, head("GET", `/s3/bucket/${key}`, [CLOSE]));
      return Buffer.from(said.slice(said.indexOf("\r\n\r\n") + 4), "latin1");
    };
    for (const key of ["one", "two", "three"]) expect((await bodyOf(key)).equals(LARGE)).toBe(true);
    expect(connections()).toBe(1);
    expect((await bodyOf("long")).equals(LARGE)).toBe(true);
    expect((await bodyOf("four")).equals(LARGE)).toBe(true);
    expect(connections()).toBe(2);
  });

  test("that are said and never come", async () => {
    const { upstream, connections } = reading((path) => [
      `HTTP/1.1 ${path.endsWith("none") ? "204 No Content" : "200 OK"}\r\ncontent-length: ${path.endsWith("small") ? 0 : LARGE.length}\r\n\r\n`,
    ]);
    const { head, port } = await begin(upstream);
    for (const [method, key] of [
      ["HEAD", "large"],
      ["GET", "none"],
      ["GET", "small"],
    ] as const) {
      const said = await exchange(port, head(method, `/s3/bucket/${key}`, [CLOSE]));
      expect(said).toContain(`content-length: ${key === "small" ? 0 : LARGE.length}\r\n`);
    }
    expect(connections()).toBe(1);
  });

  test.each([
    ["an upload", "PUT", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"],
    ["an answer", "GET", `HTTP/1.1 200 OK\r\ncontent-length: ${LARGE.length}\r\n\r\n`],
  ])("of which a part is missing are cut: %s", async (_, method, answer) => {
    const ended = Promise.withResolvers<void>();
    let seen = 0;
    const { head, port } = await begin((socket) => {
      socket.on("error", () => {});
      socket.on("close", () => ended.resolve());
      socket.on("data", (part) => {
        seen += part.length;
        if (method === "GET") socket.end(Buffer.concat([Buffer.from(answer), LARGE.subarray(1)]));
      });
    });
    await new Promise<void>((resolve) => {
      const socket = net.connect(port, "127.0.0.1", () => {
        if (method === "GET") socket.write(head(method, "/s3/bucket/key"));
        else {
          socket.write(head(method, "/s3/bucket/key", [length]));
          socket.write(LARGE.subarray(1), () => socket.destroy());
        }
      });
      socket.on("data", () => {});
      socket.on("error", () => {});
      socket.on("close", () => resolve());
    });
    await ended.promise;
    expect(seen).toBeLessThan(LARGE.length + 1_000);
  });
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
      const one = exchangeOf(incoming, outgoing, { waits: false, patience: 100 });
      one.limitBody(false);
      one.body.on("end", () => setTimeout(() => one.answer(200, []).end("late"), 500)).resume();
    }),
  );
  const answer = await exchange(port, "PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx");
  expect(answer).toEndWith("\r\n\r\nlate");
  expect(await exchange(port, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nx")).toBe("");
});

test("the host of HTTP/2 is signed by its name there, as the JavaScript SDK does", async () => {
  let seen = "";
  const { signed, port } = await begin((socket) => {
    socket.on("data", (part) => {
      seen += part.toString("latin1");
      socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    });
  });
  const authority = `127.0.0.1:${port}`;
  const client = http2.connect(`http://${authority}`);
  const statusOf = async (host: string) => {
    const headers = Object.fromEntries(signed("GET", "/s3/bucket/key", [":authority", host]));
    const stream = client.request({ ...headers, ":authority": authority, ":method": "GET", ":path": "/s3/bucket/key" });
    const { promise, resolve } = Promise.withResolvers<unknown>();
    stream.once("response", (answer) => resolve(answer[":status"])).resume();
    return promise;
  };
  expect([await statusOf(authority), await statusOf("other")]).toEqual([200, 403]);
  client.close();
  expect(seen).toStartWith("GET /bucket/key HTTP/1.1\r\n");
  expect(seen).not.toContain(":authority");
});

const sayOk = (socket: net.Socket) =>
  void socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));

/** Writes until no more is taken for half a second. @returns how many bytes were */
async function fill(stream: Writable, most: number): Promise<number> {
  const part = Buffer.alloc(2 ** 18);
  let sent = 0;
  while (sent < most) {
    sent += part.length;
    if (stream.write(part)) continue;
    const drained = new Promise<boolean>((resolve) => void stream.once("drain", () => resolve(true)));
    const waited = new Promise<boolean>((resolve) => void setTimeout(resolve, 500, false));
    if (!(await Promise.race([drained, waited]))) break;
  }
  return sent;
}

const ignore = (socket: net.Socket) => void socket.pause().on("error", () => {});

describe("no more is held than passes", () => {
  const MOST = 64 * 2 ** 20;

  test("of an upload whose server does not read", async () => {
    const { head, port } = await begin(ignore);
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(head("PUT", "/s3/bucket/key", [["content-length", String(2 ** 30)]]));
    expect(await fill(socket, MOST)).toBeLessThan(MOST);
    socket.destroy();
  });

  test("of one of HTTP/2", async () => {
    const { signed, port } = await begin(ignore);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const headers = signed("PUT", "/s3/bucket/key", ["host", `127.0.0.1:${port}`]).filter(([name]) => name !== "host");
    const stream = session.request({ ":method": "PUT", ":path": "/s3/bucket/key", ...Object.fromEntries(headers) });
    stream.on("error", () => {});
    expect(await fill(stream, MOST)).toBeLessThan(MOST);
    session.destroy();
  });

  test("of an answer whose client does not read", async () => {
    const taken = Promise.withResolvers<number>();
    const { head, port } = await begin((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${2 ** 30}\r\n\r\n`);
        taken.resolve(fill(socket, MOST));
      });
    });
    const socket = net.connect(port, "127.0.0.1", () => socket.write(head("GET", "/s3/bucket/key")));
    socket.pause().on("error", () => {});
    expect(await taken.promise).toBeLessThan(MOST);
    socket.destroy();
  });
});

describe("a connection ends", () => {
  const PATIENCE = 1_000;
  test("whose request does not begin, or does not end to begin", async () => {
    const { head, port, entries } = await begin(sayOk, PATIENCE);
    const ok = head("GET", "/s3/bucket/key");
    const [nothing, endless, preface, idle, second] = await Promise.all([
      exchange(port, ""),
      exchange(port, "GET / HTTP/1.1\r\n", "x: y\r\n"),
      exchange(port, PREFACE),
      exchange(port, ok),
      exchange(port, `${ok}GET / HTTP/1.1\r\n`, "x: y\r\n"),
    ]);
    expect([nothing, endless]).toEqual(["", ""]);
    expect(preface).not.toContain("HTTP/1.1");
    expect(idle).toEndWith("ok");
    expect(second).toEndWith("ok");
    expect(entries.map(({ status }) => status)).toEqual([200, 200]);
  });

  test("whose body stands still, or comes too slowly to be held", async () => {
    const { head, port, entries, signer } = await begin(() => {}, PATIENCE);
    const { headers } = signRequest(
      { method: "POST", path: "/sts/", query: "", headers: [["host", "127.0.0.1"]] },
      {
        keys: DUMMY,
        scope: { region: "eu-west-1", service: "sts" },
        now: Date.now(),
        pathForm: "twice",
        payloadHash: "",
      },
    );
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const answers = await Promise.all([
      exchange(port, `${head("PUT", "/s3/bucket/key", [["content-length", "9"]])}x`),
      exchange(port, `POST /sts/ HTTP/1.1\r\n${lines}content-length: 100000\r\n\r\n`, "x"),
    ]);
    expect(answers).toEqual(["", ""]);
    expect(entries).toHaveLength(2);
    expect(() => signer.budget.take(96 * 2 ** 20)).not.toThrow();
  });

  test("whose body stands still in HTTP/2", async () => {
    const { signed, port, entries } = await begin(() => {}, PATIENCE);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const headers = signed("PUT", "/s3/bucket/key", ["host", `127.0.0.1:${port}`]).filter(([name]) => name !== "host");
    const stream = session.request({ ":method": "PUT", ":path": "/s3/bucket/key", ...Object.fromEntries(headers) });
    stream.on("error", () => {});
    stream.write("x");
    await new Promise<void>((resolve) => void session.once("close", () => resolve()));
    expect(entries).toHaveLength(1);
  });

  test("whose headers are too long", async () => {
    const { port } = await begin(sayOk);
    const lines = "x: y\r\n".repeat(20_000);
    for (const headers of [lines, `x: ${lines.replaceAll("\r\n", " ")}`])
      expect(await exchange(port, `GET / HTTP/1.1\r\n${headers}\r\n\r\n`)).toStartWith("HTTP/1.1 431 ");
  });

  test("but not while an answer is awaited", async () => {
    const { head, port } = await begin((socket) => {
      socket.once("data", () =>
        setTimeout(() => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), 2 * PATIENCE),
      );
    }, PATIENCE);
    expect(await exchange(port, head("GET", "/s3/bucket/key", [CLOSE]))).toEndWith("ok");
  });

  test.each<[string, (stream: number) => Buffer]>([
    ["pings", () => frame(6, 0, 0, Buffer.alloc(8))],
    ["settings", () => frame(4, 0, 0)],
    ["resets", (stream) => Buffer.concat([frame(1, 5, stream, REQUEST), frame(3, 0, stream, Buffer.alloc(4))])],
    [
      "continued headers",
      (stream) => (stream === 1 ? frame(1, 1, 1, REQUEST) : frame(9, 0, 1, Buffer.alloc(2 ** 14, FIELD))),
    ],
    ["streams", (stream) => frame(1, 4, stream, REQUEST)],
  ])(
    "that floods it with %s",
    async (_, make) => {
      // All are of one connection, which has all the time it wants.
      const { port } = await begin(() => {}, 60_000);
      const flood = Array.from({ length: 10_000 }, (__, index) => make(2 * index + 1));
      const answer = await exchange(port, Buffer.concat([PREFACE, ...flood]));
      expect(answer.length).toBeLessThan(1_000_000);
    },
    30_000,
  );
});

/** HTTP/2, by hand: https://www.rfc-editor.org/rfc/rfc9113 */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
