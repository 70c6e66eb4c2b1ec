import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askExpress } from "../../src/client/express.ts";
import { unlessForeign } from "../../src/client/asking.ts";
import { startFakeDaemon } from "../cli/fakes/daemon.ts";
import { rejectionOf } from "../thrown.ts";

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "keyhole-foreign-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const silence = () => new Promise<never>(() => {});

const answer = (socket: Socket) => void socket.end('{"version":1,"ok":false,"error":{"code":400,"message":"x"}}\n');

/** Reads a line or all of its input, as elhaz's daemon does, and answers with a line. */
function startElhaz(): { readonly socket: string } & AsyncDisposable {
  const path = join(directory, "daemon.sock");
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("data", (chunk) => chunk.includes("\n") && answer(socket));
    socket.on("end", () => answer(socket));
    socket.on("error", () => {});
  }).listen(path);
  return { socket: path, [Symbol.asyncDispose]: async () => void server.close() };
}

test("what speaks JSON is known by its first answer, and not after 20 s (E-130)", async () => {
  await using elhaz = startElhaz();
  const began = performance.now();
  const error = await rejectionOf(unlessForeign(elhaz.socket, 20_000, silence()));
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(error).toMatchObject({
    kind: "unsupported-version",
    message: "what answers is not a keyhole daemon: it speaks JSON, as elhaz does",
  });
});

test("the express lane gives up on it as soon", async () => {
  await using elhaz = startElhaz();
  const began = performance.now();
  const words = ["export", "-f", "credential-process", "-n", "dev"];
  expect(await askExpress(words, { HOME: directory, KEYHOLE_SOCKET: elhaz.socket }, "/bin/keyhole")).toBeUndefined();
  expect(performance.now() - began).toBeLessThan(10_000);
});

test("a daemon that takes its time is waited for", async () => {
  await using daemon = startFakeDaemon({ Hello: () => ({ version: "1", pid: 2 }) });
  const work = new Promise((resolve) => setTimeout(() => resolve("done"), 400));
  expect(await unlessForeign(daemon.socket, 20_000, work)).toBe("done");
  expect(daemon.requests.map(({ name }) => name)).toEqual(["Hello"]);
});

test("what is quick, or fails, is asked nothing", async () => {
  await using daemon = startFakeDaemon({});
  expect(await unlessForeign(daemon.socket, 20_000, Promise.resolve("done"))).toBe("done");
  const failure = new Error("of the work");
  expect(await rejectionOf(unlessForeign(daemon.socket, 20_000, Promise.reject(failure)), Error)).toBe(failure);
  expect(daemon.connections()).toBe(0);
});
