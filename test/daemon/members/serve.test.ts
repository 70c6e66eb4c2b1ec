import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection } from "../../../src/client/connection.ts";
import { serveShared, type Shared, type SharedOptions } from "../../../src/daemon/members/serve.ts";
import { until } from "../../processes.ts";
import { errorOf, newWorld, type World } from "../fakes/world.ts";
import { roleConfig } from "../fakes/configs.ts";

const OWN = process.getuid!();
/** A group that this process may give files to: any for root, its own for everybody else. */
const GROUP = OWN === 0 ? 12_345 : process.getgid!();
let directory: string;
let socketPath: string;
let policyPath: string;
let world: World;
const running: Shared[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-shared-"));
  mkdirSync(join(directory, "run"));
  chownSync(join(directory, "run"), OWN, GROUP);
  chmodSync(join(directory, "run"), 0o750);
  socketPath = join(directory, "run", "k.sock");
  policyPath = join(directory, "shared.yaml");
  world = newWorld();
  world.configs.write("dev", roleConfig("dev"));
});
afterEach(async () => {
  for (const shared of running.splice(0)) {
    const closed = shared.close(0);
    await world.clock.advance(1);
    await closed;
  }
  rmSync(directory, { recursive: true, force: true });
});

async function start(options: Partial<SharedOptions> = {}): Promise<Shared> {
  const shared = await serveShared({
    socketPath,
    policyPath,
    owner: OWN,
    maxConnections: 4,
    sessions: world.sessions,
    configs: world.configs,
    directory: undefined,
    environment: {},
    native: { peerGroups: () => [77] },
    identify: () => ({ uid: 1001, gid: 1, pid: 7 }),
    self: { version: "1", pid: 9 },
    clock: world.clock,
    log: (level, event, fields) =>
      void world.log.push({ level, event, fields: (typeof fields === "function" ? fields() : fields) ?? {} }),
    record: () => {},
    ...options,
  });
  running.push(shared);
  return shared;
}

async function vend(config: string) {
  const connection = await Connection.open(socketPath, { timeoutMs: 2000 });
  try {
    return await connection.request("Vend", { config });
  } finally {
    connection.close();
  }
}

test("the socket is the group's of its directory, and nobody else's", async () => {
  await start();
  const { gid, mode } = statSync(socketPath);
  expect([gid, mode & 0o777]).toEqual([GROUP, 0o660]);
});

test("a member is served by its supplementary groups, too", async () => {
  writeFileSync(policyPath, "allow: [{ gid: 77, configs: [dev] }]", { mode: 0o600 });
  const shared = await start();
  expect((await vend("dev")).config).toBe("dev");
  expect(shared.problems()).toEqual([]);
});

test("without a policy no member is served, and status and log say why", async () => {
  const shared = await start();
  expect((await errorOf(vend("dev"))).kind).toBe("forbidden");
  const problem = `there is no policy file ${policyPath}: no member is served`;
  expect(shared.problems()).toEqual([problem]);
  expect(world.log.find(({ level }) => level === "warn")?.fields).toEqual({ problem });
});

test("a directory that cannot be trusted is not listened in", async () => {
  chmodSync(join(directory, "run"), 0o777);
  expect((await errorOf(start())).kind).toBe("unsafe-path");
  expect(existsSync(socketPath)).toBe(false);
});

test("at the end the socket is gone", async () => {
  const shared = await start();
  const closed = shared.close(0);
  await world.clock.advance(1);
  await closed;
  expect(existsSync(socketPath)).toBe(false);
});

test("a socket whose file or directory was removed comes back, and until then the status says why not", async () => {
  writeFileSync(policyPath, "allow: [{ gid: 77, configs: [dev] }]", { mode: 0o600 });
  const shared = await start();
  const run = join(directory, "run");
  rmSync(socketPath);
  await world.clock.advance(2000);
  await until(() => existsSync(socketPath));
  expect((await vend("dev")).config).toBe("dev");

  rmSync(run, { recursive: true });
  await world.clock.advance(6000);
  await until(() => shared.problems().length > 0);
  expect(shared.problems()).toEqual([
    `no member can be served: the directory ${run} of the shared socket does not exist`,
  ]);
  expect(world.log.filter(({ event }) => event === "socket not restored")).toHaveLength(1);

  mkdirSync(run, { mode: 0o750 });
  chownSync(run, OWN, GROUP);
  await world.clock.advance(2000);
  await until(() => existsSync(socketPath));
  expect((await vend("dev")).config).toBe("dev");
  await until(() => shared.problems().length === 0);
});
