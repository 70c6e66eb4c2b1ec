// A grant that signs: what its sandbox sends is checked, judged, signed with the role's credentials, and sent on.
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "../signer/sha256.ts";
import { childrenOf } from "../processes.ts";
import { addGrant, createHost, inside } from "./granthost.ts";
import { isAlive, type Machine, until } from "./machine.ts";
import { startSigning } from "./signing.ts";
import { type Arrived, startUpstream } from "./upstream.ts";
import { startProxy } from "../sts/proxy.ts";
import { generateCertificate } from "../sts/tls.ts";

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface Wish {
  readonly method?: string;
  readonly path?: string;
  readonly service?: string;
  readonly region?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly keys?: Keys;
  readonly at?: number;
}

/** A machine with a grant that signs, and its relay. */
async function begin(words = "", answer?: (arrived: Arrived, response: ServerResponse) => void, env = {}) {
  const machine = await createHost();
  Object.assign(machine.environment, env);
  const upstream = await startUpstream(machine, answer);
  await machine.addConfig("aws", `Sign.endpoint_url=${upstream.url}`, "STS.region_name=eu-west-1");
  const directory = await addGrant(machine, `box --config aws --mount-at host --sign ${words}`.trimEnd());
  const config = readFileSync(join(directory, "aws-config"), "utf8");
  const setting = (name: string) => new RegExp(`^${name} = (.*)$`, "m").exec(config)![1]!;
  const keys = { accessKeyId: setting("aws_access_key_id"), secretAccessKey: setting("aws_secret_access_key") };
  const port = Number(/127\.0\.0\.1:(\d+)\/s3$/m.exec(config)![1]);
  const relay = machine.spawn(["relay", "--", "sh", "-c", "echo ready; exec sleep 600"], {
    program: join(directory, "keyhole"),
    env: inside,
  });
  await relay.stdout.getReader().read();
  const send = async ({ body = "", keys: own = keys, at = Date.now(), ...wish }: Wish = {}) => {
    const { headers, path, method } = await signed({ ...wish, body, keys: own, at }, port);
    return fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(method === "GET" ? {} : { body }) });
  };
  return {
    machine,
    upstream,
    directory,
    keys,
    port,
    relay,
    send,
    signer: () => childrenOf(machine.daemonPid()!, "--signer")[0],
    async [Symbol.asyncDispose]() {
      relay.kill("SIGKILL");
      await relay.exited;
      await upstream[Symbol.asyncDispose]();
      await machine[Symbol.asyncDispose]();
    },
  };
}

async function signed(
  { method = "PUT", path = "/s3/bucket/key", service = "s3", region = "eu-west-1", headers = {}, body, keys, at }: Wish,
  port: number,
) {
  const signer = new SignatureV4({
    credentials: keys!,
    region,
    service,
    sha256: Sha256 as never,
    uriEscapePath: service !== "s3",
    applyChecksum: false,
  });
  const [where, query = ""] = path.split("?", 2) as [string, string?];
  const request = {
    method,
    protocol: "http:",
    hostname: "127.0.0.1",
    port,
    path: where,
    query: Object.fromEntries(new URLSearchParams(query)),
    headers: {
      host: `127.0.0.1:${port}`,
      "x-amz-content-sha256": createHash("sha256").update(body!).digest("hex"),
      ...headers,
    },
  };
  const { headers: all } = await signer.sign(request, { signingDate: new Date(at!) });
  return { method, path, headers: all as Record<string, string> };
}

/** What comes back for bytes, until the connection is closed. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let all = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (part) => (all += part.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(all));
  });
}

test("an SDK works with the dummy keys, and none of the real ones is seen", async () => {
  await using it = await begin();
  const { machine, directory } = it;
  await machine.keyhole(`config update -n aws --set Sign.endpoint_url=${machine.sts.url}`);
  const script = `
    import { STSClient, GetCallerIdentityCommand, AssumeRoleCommand } from "@aws-sdk/client-sts";
    const sts = new STSClient({});
    console.log((await sts.send(new GetCallerIdentityCommand({}))).Arn);
    const RoleArn = "arn:aws:iam::111122223333:role/aws";
    await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "out" })).catch((error) => console.log(error.name, error.message));
  `;
  it.relay.kill("SIGTERM");
  await it.relay.exited;
  const { stdout, stderr } = await machine.run(["relay", "--", process.execPath, "-e", script], {
    program: join(directory, "keyhole"),
    env: inside,
    cwd: process.cwd(),
  });
  expect({ lines: stdout.trimEnd().split("\n"), stderr }).toEqual({
    lines: [
      expect.stringMatching(/^arn:aws:sts::111122223333:assumed-role\/aws\/keyhole-box-[0-9a-f]{8}$/),
      "AccessDeniedException keyhole: sts:AssumeRole hands out AWS credentials: this grant denies it unless --allow names it in full",
    ],
    stderr: "",
  });
  const seen = readdirSync(directory).filter((name) => name !== "keyhole" && name !== "sign");
  expect(seen.toSorted()).toEqual(["aws-config", "credentials", "env"]);
  expect(existsSync(join(directory, "sock"))).toBe(false);
  const texts = seen.map((name) => readFileSync(join(directory, name), "utf8")).join("");
  for (const [accessKeyId, { secretAccessKey }] of machine.sts.issued)
    for (const real of [accessKeyId, secretAccessKey]) expect(texts).not.toContain(real);
  expect(
    (await machine.run(["export", "-f", "env"], { program: join(directory, "keyhole"), env: inside })).exitCode,
  ).not.toBe(0);
});

test("a request goes on as it was written, with the role's signature", async () => {
  await using it = await begin();
  const path = "/s3/bucket/a%20b/%C3%BC%2B?x-id=PutObject&x-amz-x=%2F";
  expect(
    (await it.send({ path, body: "body", headers: { "x-amz-meta-note": "two  words", "content-type": "text/x" } }))
      .status,
  ).toBe(200);
  const [arrived] = it.upstream.arrived;
  expect(arrived).toMatchObject({ isSigned: true, body: Buffer.from("body") });
  expect(arrived!.request).toMatchObject({
    method: "PUT",
    path: "/bucket/a%20b/%C3%BC%2B",
    query: "x-id=PutObject&x-amz-x=%2F",
  });
  expect(Object.fromEntries(arrived!.request.headers)).toMatchObject({
    host: it.upstream.url.slice("http://".length),
    "x-amz-meta-note": "two  words",
    "content-type": "text/x",
    "x-amz-security-token": expect.any(String),
  });
  expect(arrived!.accessKeyId).not.toBe(it.keys.accessKeyId);
});

describe("what is refused reaches nobody", () => {
  test("signatures", async () => {
    await using it = await begin();
    const { machine } = it;
    const other = await addGrant(machine, "other --config aws --mount-at host --sign");
    const config = readFileSync(join(other, "aws-config"), "utf8");
    const [, accessKeyId] = /^aws_access_key_id = (.*)$/m.exec(config)!;
    const [, secretAccessKey] = /^aws_secret_access_key = (.*)$/m.exec(config)!;
    const statusOf = async (wish: Wish) => (await it.send(wish)).status;
    expect(await statusOf({ keys: { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! } })).toBe(403);
    expect(await statusOf({ keys: { ...it.keys, secretAccessKey: secretAccessKey! } })).toBe(403);
    expect(await statusOf({ at: Date.now() - 301_000 })).toBe(403);
    expect(await statusOf({ at: Date.now() + 301_000 })).toBe(403);
    expect(await statusOf({ service: "dynamodb" })).toBe(403);
    const good = await signed({ body: "good", keys: it.keys, at: Date.now() }, it.port);
    const url = `http://127.0.0.1:${it.port}${good.path}`;
    const put = async (more: Record<string, string>, body = "good", where = url) =>
      (await fetch(where, { method: "PUT", headers: { ...good.headers, ...more }, body })).status;
    expect(await put({})).toBe(200);
    expect(await put({}, "evil")).toBe(400);
    expect(await put({ "x-amz-acl": "public-read" })).toBe(403);
    expect(await put({}, "good", `${url}2`)).toBe(403);
    expect(await put({}, "good", `${url}?acl`)).toBe(403);
    expect((await fetch(url, { method: "PUT", body: "x" })).status).toBe(403);
    expect(it.upstream.arrived.map(({ body, isSigned }) => [String(body), isSigned])).toEqual([["good", true]]);
  });

  test("forms that two readers might understand in two ways", async () => {
    await using it = await begin();
    const head = "PUT /s3/b/k HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n";
    for (const bytes of [
      `${head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${head}host: other\r\ncontent-length: 0\r\n\r\n`,
      `${head}content-length: 0\r\ncontent-length: 0\r\n\r\n`,
      `${head}x-a: 1\r\n folded\r\ncontent-length: 0\r\n\r\n`,
      "GET http://169.254.169.254/latest HTTP/1.1\r\nhost: 169.254.169.254\r\nconnection: close\r\n\r\n",
      "GET //evil.example/ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
      "GET /nothing/x HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
      "nonsense\r\n\r\n",
    ])
      expect(await raw(it.port, bytes)).toMatch(/^HTTP\/1\.1 40[034] /);
    expect(await raw(it.port, "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 501 /,
    );
    expect(it.upstream.begun()).toBe(0);
  });

  test.each([
    ["--allow s3:Get*", { method: "PUT" }, "this grant does not allow s3:PutObject (--allow)"],
    ["--deny s3:Put*", { method: "PUT" }, "this grant denies s3:PutObject (--deny 's3:Put*')"],
    ["--region us-east-1", {}, "this grant has no region eu-west-1 (--region)"],
    ["--resource s3:other/*", {}, "this grant does not allow s3:PutObject on bucket/key (--resource)"],
    ["", { path: "/s3/bucket?session", method: "GET" }, "s3:CreateSession hands out AWS credentials"],
    [
      "--allow s3:Put*",
      { headers: { "x-amz-tagging": "a=b" }, path: "/s3/bucket/key?x" },
      "keyhole knows no operation",
    ],
    ["--deny s3:PutObjectAcl", { headers: { "x-amz-acl": "public-read" } }, "this grant denies s3:PutObjectAcl"],
    ["", { path: "/s3/bucket?unheard-of", method: "PATCH" }, "keyhole knows no operation of AWS with this request"],
  ])("%s %j: %s", async (words, wish, message) => {
    await using it = await begin(words);
    const answer = await it.send(wish);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain(`keyhole: ${message}`.replaceAll("'", "&#39;"));
    expect(it.upstream.begun()).toBe(0);
    await until(async () => /refused: \w+/.test(await it.machine.keyhole("grant show box")));
  });
});

test("a question is asked where the policy says so, and a no is an answer", async () => {
  const asked = join(mkdtempSync(join(tmpdir(), "keyhole-asked-")), "asked");
  const askpass = `${asked}.sh`;
  writeFileSync(askpass, `#!/bin/sh\necho "$1" >>${asked}\nexit 1\n`, { mode: 0o700 });
  await using it = await begin("--confirm s3:Delete*", undefined, { KEYHOLE_ASKPASS: askpass });
  expect((await it.send({ method: "GET" })).status).toBe(200);
  expect((await it.send({ method: "DELETE" })).status).toBe(403);
  expect(readFileSync(asked, "utf8")).toBe('let grant box call s3:DeleteObject on "bucket/key"?\n');
  rmSync(dirname(asked), { recursive: true });
  expect(it.upstream.arrived.map(({ request }) => request.method)).toEqual(["GET"]);
}, 30_000);

test("a yes is to the one request that was shown", async () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-asked-"));
  const [askpass, asked, go] = ["askpass", "asked", "go"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(
    askpass,
    `#!/bin/sh\necho "$1" >>${asked}\nwhile [ ! -e ${go} ]; do sleep 0.05; done\ncase "$1" in *good*) exit 0;; esac; exit 1\n`,
    { mode: 0o700 },
  );
  await using it = await begin("--confirm s3:Delete*", undefined, { KEYHOLE_ASKPASS: askpass });
  const good = it.send({ method: "DELETE", path: "/s3/bucket/good" });
  await until(() => existsSync(asked));
  const evil = it.send({ method: "DELETE", path: "/s3/bucket/evil" });
  const same = it.send({ method: "DELETE", path: "/s3/bucket/good" });
  await it.send({ method: "GET" });
  writeFileSync(go, "");
  expect([(await good).status, (await evil).status, (await same).status]).toEqual([200, 403, 200]);
  expect(readFileSync(asked, "utf8").match(/good|evil/g)).toEqual(["good", "evil"]);
  rmSync(directory, { recursive: true });
}, 30_000);

test("a first upload that is larger than what may be sent again arrives", async () => {
  await using it = await begin();
  const body = "x".repeat(20 * 2 ** 20);
  const answer = await it.send({ body, headers: { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } });
  expect(answer.status).toBe(200);
  expect(it.upstream.arrived.map((one) => one.body.length)).toEqual([body.length]);
}, 30_000);

test("one that is served on the host is there before anybody asks for it", async () => {
  await using machine = await createHost();
  await machine.addConfig("aws", "STS.region_name=eu-west-1");
  const directory = await addGrant(machine, "box --config aws --mount-at host --sign --listen");
  const config = readFileSync(join(directory, "aws-config"), "utf8");
  const port = Number(/127\.0\.0\.1:(\d+)\/s3$/m.exec(config)![1]);
  const answers = async () => (await raw(port, "GET /s3/b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")) !== "";
  await until(answers);
  process.kill(childrenOf(machine.daemonPid()!, "--signer")[0]!, "SIGKILL");
  await until(answers);
  await machine.keyhole("grant revoke box");
  await until(async () => !(await answers()));
});

test("a redirect leads nobody past it", async () => {
  await using it = await begin(
    "",
    (_, response) => void response.writeHead(307, { location: "http://evil.example/" }).end(),
  );
  const { status, headers } = await it.send();
  expect([status, headers.get("location")]).toEqual([307, null]);
});

/** An upload that does not end. */
const endless = async (it: Awaited<ReturnType<typeof begin>>) => {
  const { headers } = await signed(
    { headers: { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }, body: "", keys: it.keys, at: Date.now() },
    it.port,
  );
  const lines = Object.entries({ ...headers, "content-length": String(2 ** 30) }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const socket = net.connect(it.port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => void socket.on("close", () => resolve()));
  socket.on("error", () => {});
  socket.resume();
  socket.write(`PUT /s3/bucket/key HTTP/1.1\r\n${lines.join("")}\r\n${"x".repeat(100_000)}`);
  await until(() => it.upstream.begun() > 0);
  return { closed };
};

test("a port that is taken is left to its owner, who is named", async () => {
  await using it = await begin();
  const { exitCode, stderr } = await it.machine.run(["relay", "--", "true"], {
    program: join(it.directory, "keyhole"),
    env: inside,
  });
  const owner = `port ${it.port} of 127.0.0.1, which is this grant's, is taken by process ${it.relay.pid}`;
  expect({ exitCode, stderr }).toEqual({
    exitCode: 2,
    stderr: expect.stringMatching(new RegExp(`^keyhole: error: ${owner}\nkeyhole: hint: kill ${it.relay.pid}, or `)),
  });
  // The same port, of a grant that is served on the host.
  await addGrant(it.machine, `other --config aws --mount-at host --sign --listen --port ${it.port}`);
  const shown = () => it.machine.keyhole("grant show other");
  await until(async () => (await shown()).includes(`port ${it.port} of 127.0.0.1 is taken by process ${it.relay.pid}`));
});

test("AWS is reached through the proxy of the owner's variables, of which no password is told", async () => {
  const proxy = await startProxy();
  const refusing = await startRefusingProxy();
  const script = `
    import { STSClient, GetCallerIdentityCommand } from ${JSON.stringify(Bun.resolveSync("@aws-sdk/client-sts", import.meta.dir))};
    const ask = () => new STSClient({ maxAttempts: 1 }).send(new GetCallerIdentityCommand({}));
    console.log(await ask().then(({ Arn }) => Arn, (error) => error.message));
  `;
  const answer = `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`;
  try {
    for (const [variables, said] of [
      [{ HTTPS_PROXY: proxy.url }, "arn"],
      [
        { HTTPS_PROXY: `http://user:canary@${refusing.address}` },
        `keyhole: AWS cannot be reached: the proxy ${refusing.address} does not let keyhole through (407)`,
      ],
      [{ HTTPS_PROXY: `http://user:canary@${refusing.address}`, NO_PROXY: "127.0.0.1" }, "arn"],
    ] as const) {
      await using it = await startSigning({
        certificate: generateCertificate(),
        answer: (_, response) => void response.end(answer),
        prepare: ({ environment }) => void Object.assign(environment, { NO_PROXY: "" }, variables),
      });
      const { stdout, stderr } = await it.run([process.execPath, "-e", script]);
      expect({ said: stdout.trimEnd(), stderr }).toEqual({ said, stderr: "" });
      if (said !== "arn") continue;
      expect(it.upstream.arrived.map(({ isSigned }) => isSigned)).toEqual([true]);
      if (variables.HTTPS_PROXY === proxy.url) expect(proxy.targets).toEqual([new URL(it.upstream.url).host]);
    }
  } finally {
    refusing.server.close();
    await proxy.stop();
  }
});

async function startRefusingProxy() {
  const server = net.createServer((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { server, address: `127.0.0.1:${(server.address() as net.AddressInfo).port}` };
}

describe("its end", () => {
  test("a revocation cuts what is under way, and the next request is refused by name", async () => {
    await using it = await begin();
    const { closed } = await endless(it);
    await it.machine.keyhole("grant revoke box");
    await closed;
    await until(() => it.signer() === undefined);
    const answer = await it.send();
    expect([answer.status, await answer.text()]).toEqual([
      403,
      expect.stringContaining("keyhole: this grant was revoked"),
    ]);
    expect(it.upstream.arrived).toEqual([]);
  });

  test("of the signer is no end of the grant", async () => {
    await using it = await begin();
    expect((await it.send()).status).toBe(200);
    const former = it.signer()!;
    process.kill(former, "SIGKILL");
    await until(() => !isAlive(former));
    expect((await it.send()).status).toBe(200);
    expect(it.signer()).not.toBe(former);
  });

  test("of the daemon ends its signer, and the next request works with the same keys", async () => {
    await using it = await begin();
    expect((await it.send()).status).toBe(200);
    const former = it.signer()!;
    await it.machine.keyhole("daemon restart");
    await until(() => !isAlive(former));
    expect((await it.send()).status).toBe(200);
  });

  test("removed, nothing is left of it", async () => {
    await using it = await begin();
    expect((await it.send()).status).toBe(200);
    await it.machine.keyhole("grant remove -y box");
    await until(() => it.signer() === undefined);
    expect(existsSync(it.directory)).toBe(false);
    expect(readdirSync(join(it.machine.paths.home, "run")).filter((name) => name.startsWith("sign-"))).toEqual([]);
  });
});

test("the audit has a line for each request, and no secret", async () => {
  await using it = await begin(
    "--deny s3:Put*",
    (_, response) => void response.setHeader("x-amz-request-id", "REQUEST").end("ok"),
  );
  await it.send({ method: "GET" });
  await it.send({ method: "PUT" });
  let lines: Record<string, unknown>[] = [];
  await until(async () => {
    const all = JSON.parse(await it.machine.keyhole("audit --grant box --json")) as Record<string, unknown>[];
    lines = all.filter(({ kind }) => kind === "sign");
    return lines.length === 2;
  });
  expect(lines.toReversed()).toMatchObject([
    {
      peer: {
        uid: process.getuid!(),
        gid: process.getgid!(),
        pid: it.relay.pid,
      },
      operation: "s3:GetObject",
      resource: "bucket/key",
      region: "eu-west-1",
      status: 200,
      bytesDown: 2,
      requestId: "REQUEST",
      outcome: "ok",
    },
    { operation: "s3:PutObject", resource: "bucket/key", status: 403, outcome: "forbidden", note: "deny" },
  ]);
  const text = JSON.stringify(lines);
  expect(text).not.toContain(it.keys.secretAccessKey);
});

test.each([
  ["--sign --deliver file", "--sign and --deliver exclude each other"],
  ["--sign --max-uses 3", "--max-uses counts credentials"],
  ["--sign --executable small", "the small executable cannot carry requests"],
  ["--sign --allow s3:GetObjekt", "s3 has no operation 'GetObjekt'; did you mean s3:GetObject?"],
  ["--sign --resource iam:x", "'iam:x' is not SERVICE:NAME"],
  ["--sign --region europe", "--region must be a region of AWS"],
  ["--sign --port 80", "--port"],
  ["--allow s3:*", "--allow is for a grant that signs: add --sign"],
])("grant add %s is refused, and nothing is made", async (words, message) => {
  await using machine: Machine = await createHost();
  const { exitCode, stderr } = await machine.run(`grant add box --config dev ${words}`.split(" "));
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(existsSync(join(machine.paths.home, "grants", "box.yaml"))).toBe(false);
});
