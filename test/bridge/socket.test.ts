import { expect, test } from "bun:test";
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeAnswer } from "../../src/bridge/pipe.ts";
import { serveSocket } from "../../src/bridge/bridge.ts";
import { Connection } from "../../src/client/connection.ts";
import { rejectionOf } from "../thrown.ts";

const me = { uid: 1000, gid: 1000, pid: 1 };

async function start(isAllowed = true) {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-bridge-"));
  const path = join(directory, "sock");
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return encodeAnswer({ grant: "agent", config: "dev", region: undefined, line: new Uint8Array([asked]) });
  };
  const listener = await serveSocket({ ask }, { path, identify: () => me, isAllowed: () => isAllowed });
  return {
    path,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      await listener.close(0);
      rmSync(directory, { recursive: true });
    },
  };
}

const open = (path: string) => Connection.open(path, { timeoutMs: 2000 });

test("a client of a grant gets the grant's answers", async () => {
  await using socket = await start();
  const connection = await open(socket.path);
  expect(await connection.request("Fetch", {})).toMatchObject({ grant: "agent", line: new Uint8Array([1]) });
  expect(await connection.request("Fetch", {})).toMatchObject({ grant: "agent", line: new Uint8Array([2]) });
  connection.close();
});

test("whatever else is asked is refused, and crosses nothing", async () => {
  await using socket = await start();
  const connection = await open(socket.path);
  for (const request of [
    connection.request("Hello", { version: "1" }),
    connection.request("Vend", { config: "dev" }),
    connection.request("GrantRevoke", { name: "agent" }),
    connection.request("Stop", {}),
  ])
    expect((await rejectionOf(request)).kind).toBe("forbidden");
  expect(socket.asked()).toBe(0);
  connection.close();
});

test("the socket is its owner's, and nobody else is answered whatever its mode", async () => {
  await using socket = await start(false);
  expect(lstatSync(socket.path).mode & 0o777).toBe(0o600);
  const connection = await open(socket.path);
  expect((await rejectionOf(connection.request("Fetch", {}))).kind).toBe("forbidden");
  expect(socket.asked()).toBe(0);
});
