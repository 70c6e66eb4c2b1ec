import { expect, test } from "bun:test";
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { probes } from "../../../src/cli/doctor/probes.ts";
import { startRelay } from "../../../src/cli/vending/container-endpoint.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { version } from "../../../src/version.ts";
import { startFakeDaemon } from "../fakes/daemon.ts";
import { Home, mountGrant } from "../fakes/machines.ts";

const forbidden = () => {
  throw new KeyholeError("forbidden", "forbidden");
};

test("a grant is told by what it refuses, and is asked for nothing else", async () => {
  await using daemon = startFakeDaemon({ Hello: forbidden });
  expect(await probes.askSocket(daemon.socket)).toBe("grant");
  expect(daemon.requests.map(({ name }) => name)).toEqual(["Hello"]);
});

test("a control socket answers", async () => {
  await using daemon = startFakeDaemon({ Hello: () => ({ version, pid: 1 }) });
  expect(await probes.askSocket(daemon.socket)).toBe("control");
});

test("nobody answers where there is no socket, or a dead one", async () => {
  using home = new Home();
  expect(await probes.askSocket(join(home.path, "gone"))).toBe("none");
  expect(await probes.askSocket(home.write("file"))).toBe("none");
});

test.each([
  ["other", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ["silent", ""],
] as const)("whoever answers with something else, or not at all, is %s", async (answerer, greeting) => {
  using home = new Home();
  const path = join(home.path, "sock");
  const greet = (socket: Bun.Socket) => void (greeting !== "" && socket.write(greeting));
  const server = Bun.listen({ unix: path, socket: { open: greet, data: () => {} } });
  expect(await probes.askSocket(path)).toBe(answerer);
  server.stop(true);
});

test("a socket that can be connected to is told from one that cannot", async () => {
  await using daemon = startFakeDaemon({});
  chmodSync(daemon.socket, 0o666);
  expect(probes.canConnect(daemon.socket)).toBe(true);
  expect(probes.canConnect(`${daemon.socket}.gone`)).toBe(false);
});

test("a port that listens can be reached, and one that does not cannot", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  expect(await probes.canReach("127.0.0.1", server.port)).toBe(true);
  server.stop(true);
  expect(await probes.canReach("127.0.0.1", server.port)).toBe(false);
});

test("a relay says 401 to whoever has no token, and the grant is not asked", async () => {
  let fetches = 0;
  const fetch = () => {
    fetches += 1;
    return Promise.reject(new KeyholeError("internal", "the test did not expect a fetch"));
  };
  const relay = startRelay({ port: 0, fetch, timeoutMs: 1000 });
  expect(await probes.getStatus(new URL(relay.url))).toBe(401);
  relay.stop();
  expect(await probes.getStatus(new URL(relay.url))).toBeUndefined();
  expect(fetches).toBe(0);
});

test("what speaks no HTTP has no status", async () => {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void socket.write("SSH-2.0-OpenSSH\r\n"), data: () => {} },
  });
  expect(await probes.getStatus(new URL(`http://127.0.0.1:${server.port}/`))).toBeUndefined();
  server.stop(true);
});

test("whether a file can be made is tried, and leaves nothing", () => {
  using home = new Home();
  const { path } = mountGrant(home);
  const before = readdirSync(path);
  expect(probes.canMakeFile(path)).toBe(true);
  expect(readdirSync(path)).toEqual(before);
  for (const other of ["/proc", `${path}/none`, join(path, "credentials")])
    expect(probes.canMakeFile(other)).toBe(false);
});

test("root of a user namespace lists what is there, and without one nothing is", () => {
  using home = new Home();
  const { path } = mountGrant(home);
  const canHave = Bun.which("unshare") !== null && Bun.spawnSync(["unshare", "-r", "true"]).exitCode === 0;
  expect(probes.namesForRoot(path).toSorted()).toEqual(canHave ? readdirSync(path).toSorted() : []);
  expect(probes.namesForRoot(`${path}/none`)).toEqual([]);
});
