import { expect, test } from "bun:test";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import { hostChecks, insideChecks } from "../../../src/cli/doctor/checks.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { loadNative } from "../../../src/native/load.ts";
import { session, startFakeDaemon } from "../fakes/daemon.ts";
import { enterGrant } from "../fakes/grants.ts";
import { daemonView, Home } from "../fakes/machines.ts";
import { keyhole, NOW } from "../fakes/world.ts";

/** Checks take what they take. */
const host = { wait: () => new Promise<void>(() => {}) };

/** As a grant's socket. */
const Hello = () => {
  throw new KeyholeError("forbidden", "forbidden");
};

function findingsOf(stdout: string): readonly Finding[] {
  return JSON.parse(stdout) as Finding[];
}

test("ids are in kebab-case", () => {
  for (const id of [...Object.keys(hostChecks), ...Object.keys(insideChecks)]) expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
});

test("a host without anything has warnings at most, and nothing is made on it", async () => {
  using home = new Home();
  const environment = { HOME: home.path, KEYHOLE_SHARED_SOCKET: join(home.path, "none", "sock") };
  const { exit, stdout, stderr } = await keyhole(["doctor"], { environment, host });
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  expect(stdout).toContain("warning  daemon           is not running\n  fix: keyhole daemon start\n");
  expect([...new Bun.Glob("**").scanSync({ cwd: home.path, dot: true, onlyFiles: false })]).toEqual([]);
});

test("a problem is exit status 1, and JSON has it with its id and fix", async () => {
  using home = new Home();
  const sessions = [session({ config: "dev", lastError: "AccessDenied", failures: 2 })];
  const { status } = daemonView({ sessions, startedAt: NOW });
  await using daemon = startFakeDaemon({ Status: () => status, GrantsList: () => ({ grants: [] }) });
  const lock = join(daemon.home, "daemon.lock");
  writeFileSync(lock, "77\n");
  expect(loadNative().lockFile(openSync(lock, "r"))).toBe(true);
  const environment = {
    HOME: home.path,
    KEYHOLE_SOCKET: daemon.socket,
    KEYHOLE_SHARED_SOCKET: join(home.path, "none", "sock"),
  };
  const { exit, stdout } = await keyhole(["doctor", "--json"], { environment, host });
  expect(exit).toBe(1);
  expect(findingsOf(stdout).filter(({ level }) => level === "problem")).toEqual([
    { id: "sessions", level: "problem", message: "dev: AccessDenied (2 in a row)", fix: "keyhole whoami -n dev" },
  ]);
  // Its socket and its sessions are all that was asked for.
  expect(daemon.requests.map(({ name }) => name)).toEqual(["Status", "GrantsList", "Proxies"]);
});

test("in a grant's directory the sandbox is checked, and the grant is asked for nothing", async () => {
  using home = new Home();
  await using daemon = startFakeDaemon({ Hello });
  const executable = enterGrant(daemon);
  const environment = { HOME: home.path, AWS_ACCESS_KEY_ID: "CANARY", AWS_EC2_METADATA_DISABLED: "true" };
  for (const words of [["doctor"], ["doctor", "--inside"]]) {
    const options = { environment, host: { ...host, command: [executable] } };
    const { exit, stdout } = await keyhole([...words, "--json"], options);
    expect(exit).toBe(1);
    const ids = findingsOf(stdout).map(({ id, level }) => `${id} ${level}`);
    expect(ids).toContain("socket ok");
    expect(ids).toContain("environment-keys problem");
    expect(stdout).not.toContain("CANARY");
    expect(stdout).not.toContain("arn:");
  }
  expect(new Set(daemon.requests.map(({ name }) => name))).toEqual(new Set(["Hello"]));
});
