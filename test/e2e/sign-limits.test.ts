// A grant that signs at its limits: a sandbox that takes all it can, and ends in the middle of a request.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { type Header, sha256, signRequest } from "../../src/signer/sigv4.ts";
import { childrenOf } from "../processes.ts";
import { dial } from "./attacker.ts";
import { shell, startForeground } from "./daemons.ts";
import { addGrant, createHost, inside, keysOf, runIn } from "./granthost.ts";
import { isAlive, until } from "./machine.ts";
import { startUpstream } from "./upstream.ts";

/** Use with `await using`. @param descriptors of the daemon and its signer */
async function begin(descriptors?: number) {
  const machine = await createHost();
  const upstream = await startUpstream(machine);
  await machine.addConfig("aws", `Sign.endpoint_url=${upstream.url}`, "STS.region_name=eu-west-1");
  if (descriptors !== undefined) await startForeground(machine, { under: shell(`ulimit -n ${descriptors}`) });
  const directory = await addGrant(machine, "box --config aws --mount-at host --sign");
  const config = readFileSync(join(directory, "aws-config"), "utf8");
  const setting = (name: string) => new RegExp(`^aws_${name} = (.*)$`, "m").exec(config)![1]!;
  const keys = {
    accessKeyId: setting("access_key_id"),
    secretAccessKey: setting("secret_access_key"),
    sessionToken: undefined,
  };
  /** Of an upload, without its body. */
  const head = (key: string, length: number, payloadHash = "UNSIGNED-PAYLOAD"): string => {
    const path = `/s3/bucket/${key}`;
    const headers: Header[] = [
      ["host", "127.0.0.1"],
      ["x-amz-content-sha256", payloadHash],
    ];
    const signed = signRequest(
      { method: "PUT", path, query: "", headers },
      { keys, scope: { region: "eu-west-1", service: "s3" }, now: Date.now(), pathForm: "as-is", payloadHash },
    );
    const lines = [...signed.headers, ["content-length", String(length)]].map((pair) => `${pair.join(": ")}\r\n`);
    return `PUT ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
  };
  const children: Bun.ReadableSubprocess[] = [];
  return {
    machine,
    upstream,
    directory,
    head,
    signer: () => childrenOf(machine.daemonPid()!, "--signer")[0],
    /** @returns the port of a relay */
    relay: async (): Promise<number> => {
      const words = ["relay", "--", "sh", "-c", "echo ready; exec sleep 600"];
      const child = machine.spawn(words, { program: join(directory, "keyhole"), env: inside });
      children.push(child);
      await child.stdout.getReader().read();
      return Number(/127\.0\.0\.1:(\d+)\/s3$/m.exec(config)![1]);
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill("SIGKILL");
      await upstream[Symbol.asyncDispose]();
      await machine[Symbol.asyncDispose]();
    },
  };
}

/** Sends, and keeps the connection. */
function open(to: net.NetConnectOpts, bytes: string) {
  let said = "";
  const socket = net.connect(to, () => socket.write(bytes));
  const closed = new Promise<string>((resolve) => void socket.on("close", () => resolve(said)));
  socket.on("data", (part) => (said += part.toString("latin1")));
  socket.on("error", () => {});
  return { socket, closed, said: () => said };
}

/** Again and again, as SDKs do and the relay: a connection from before the signer listened is closed. */
async function answered(to: net.NetConnectOpts, bytes: () => string) {
  for (;;) {
    const one = open(to, bytes());
    await Promise.race([one.closed, until(() => one.said() !== "")]);
    if (one.said() !== "") return one;
  }
}

test("one that opens hundreds of connections harms itself alone", async () => {
  await using it = await begin(64);
  const { machine, directory } = it;
  const other = await addGrant(machine, "other --config dev --mount-at host");
  const sign = { path: join(directory, "sign") };
  const kept = await answered(sign, () => it.head("first", 0));
  const signer = it.signer();
  const flood = Array.from({ length: 300 }, () => open(sign, "GET"));
  await Promise.race(flood.map(({ closed }) => closed));
  // The other's connections are what a flood of the daemon's own would make it give up.
  const peers = await Promise.all(Array.from({ length: 40 }, () => dial(join(other, "sock"))));
  keysOf(machine, await runIn(other, machine));
  kept.socket.write(it.head("second", 0));
  await until(() => it.upstream.arrived.length === 2);
  expect(it.upstream.arrived.map(({ isSigned }) => isSigned)).toEqual([true, true]);
  expect(it.signer()).toBe(signer);
  for (const { socket } of [kept, ...flood]) socket.destroy();
  for (const peer of peers) peer.close();
}, 60_000);

test("32 uploads at once arrive whole", async () => {
  await using it = await begin();
  const port = await it.relay();
  const body = "x".repeat(2 ** 20);
  const uploads = Array.from({ length: 32 }, (_, index) =>
    open({ port, host: "127.0.0.1" }, `${it.head(`key${index}`, body.length, sha256(body))}${body}`),
  );
  await until(() => uploads.every(({ said }) => said() !== ""));
  expect(new Set(uploads.map(({ said }) => said().slice(0, 12)))).toEqual(new Set(["HTTP/1.1 200"]));
  const arrived = it.upstream.arrived.map(({ isSigned, body: each }) => [isSigned, each.equals(Buffer.from(body))]);
  expect(arrived).toEqual(Array.from({ length: 32 }, () => [true, true]));
  for (const { socket } of uploads) socket.destroy();
}, 60_000);

const kill = (it: Awaited<ReturnType<typeof begin>>) => Promise.resolve(void process.kill(it.signer()!, "SIGKILL"));
/** More than the relay would send again by itself. */
const LARGE = 4 * 2 ** 20;

describe("in the middle of an upload, which then fails without an answer, as SDKs retry", () => {
  test.each<[string, number, (it: Awaited<ReturnType<typeof begin>>) => Promise<void>]>([
    ["a signer that is killed", LARGE, kill],
    // The relay would have all of it to send again, and must not: it was read.
    ["a signer that is killed in a small one", 10, kill],
    ["a restart of the daemon", LARGE, async ({ machine }) => void (await machine.keyhole("daemon restart"))],
  ])(
    "%s leaves the next request be",
    async (_, sent, end) => {
      await using it = await begin();
      const to = { port: await it.relay(), host: "127.0.0.1" };
      const upload = open(to, `${it.head("large", 2 ** 30)}${"x".repeat(sent)}`);
      await until(() => it.upstream.begun() === 1 && upload.socket.bytesWritten > sent);
      await until(() => upload.socket.writableLength === 0);
      const former = it.signer()!;
      await end(it);
      expect(await upload.closed).toBe("");
      await until(() => !isAlive(former));
      const next = await answered(to, () => it.head("small", 0));
      expect(next.said()).toStartWith("HTTP/1.1 200");
      expect(it.upstream.arrived.map(({ request }) => request.path)).toEqual(["/bucket/small"]);
      next.socket.destroy();
    },
    60_000,
  );
});
