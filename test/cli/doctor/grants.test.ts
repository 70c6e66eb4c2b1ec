import { expect, test } from "bun:test";
import { checkGrants, checkSessions } from "../../../src/cli/doctor/grants.ts";
import { openGrantStore } from "../../../src/grants/store.ts";
import { grantInfo, LEAST } from "../../grants/fakes/grants.ts";
import { session } from "../fakes/daemon.ts";
import { daemonView, Home, hostMachine } from "../fakes/machines.ts";
import { NOW } from "../fakes/world.ts";

test("the last error of a session is a problem once there is nothing left to vend", async () => {
  using home = new Home();
  const sessions = [
    session({ config: "good", expiresAt: NOW + 1000 }),
    session({ config: "late", expiresAt: NOW + 1000, lastError: "ExpiredToken: the source", failures: 3 }),
    session({ config: "gone", lastError: "AccessDenied", failures: 1 }),
  ];
  expect(checkSessions(await hostMachine(home, { daemon: daemonView({ sessions }) }))).toEqual([
    { level: "warning", message: "late: ExpiredToken: the source (3 in a row)", fix: "keyhole whoami -n late" },
    { level: "problem", message: "gone: AccessDenied (1 in a row)", fix: "keyhole whoami -n gone" },
  ]);
  const fine = await hostMachine(home, { daemon: daemonView({ sessions: sessions.slice(0, 1) }) });
  expect(checkSessions(fine)).toEqual([{ level: "ok", message: "1 without an error" }]);
  expect(checkSessions(await hostMachine(home))).toEqual([]);
});

test("sessions of a directory or an endpoint of their own are named, and asked for as they were", async () => {
  using home = new Home();
  const sessions = [
    session({ config: "dev (http://127.0.0.1:1)", expiresAt: NOW + 1000 }),
    session({ config: "dev (/alt, http://127.0.0.1:1)", lastError: "no", failures: 1 }),
  ];
  expect(
    checkSessions(await hostMachine(home, { daemon: daemonView({ sessions: sessions.slice(0, 1) }) })),
  ).toMatchObject([{ message: "1 without an error; of an STS that one shell names: dev (http://127.0.0.1:1)" }]);
  expect(checkSessions(await hostMachine(home, { daemon: daemonView({ sessions }) }))).toMatchObject([
    { fix: "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1 keyhole --config-dir /alt whoami -n dev" },
  ]);
});

test("what has expired is told by AWS's clock", async () => {
  using home = new Home();
  const sessions = [session({ config: "late", expiresAt: NOW + 1000, lastError: "x", failures: 1 })];
  const machine = await hostMachine(home, { daemon: daemonView({ sessions, clockBehindMs: 2000 }) });
  expect(checkSessions(machine)).toMatchObject([{ level: "problem" }]);
});

test("grants with an error, and without what a sandbox looks for, are named", async () => {
  using home = new Home();
  const directory = home.make("grant");
  home.write("grant/aws-config");
  home.write("grant/sock");
  const check = async (...grants: readonly ReturnType<typeof grantInfo>[]) =>
    checkGrants(await hostMachine(home, { daemon: daemonView({}, grants) }));
  expect(await check(grantInfo({ directory }))).toEqual([{ level: "ok", message: "1 active, without an error" }]);
  expect(
    await check(
      grantInfo({ name: "a", directory, lastError: "AccessDenied" }),
      grantInfo({ name: "b", directory, lastError: "AccessDenied", expiresAt: undefined }),
      grantInfo({ name: "c", directory, deliver: "file" }),
      grantInfo({ name: "d", directory: `${directory}/gone` }),
      grantInfo({ name: "e", directory: `${directory}/gone`, state: "revoked" }),
    ),
  ).toEqual([
    { level: "warning", message: "a: AccessDenied", fix: "keyhole grant show a" },
    { level: "problem", message: "b: AccessDenied", fix: "keyhole grant show b" },
    { level: "problem", message: `c: ${directory} has no lease.json`, fix: "keyhole daemon restart" },
    { level: "problem", message: `d: its directory ${directory}/gone is gone`, fix: "keyhole daemon restart" },
  ]);
});

test("a definition that is none is a problem, whether a daemon runs or not", async () => {
  using home = new Home();
  expect(checkGrants(await hostMachine(home))).toEqual([]);
  home.write(".keyhole/grants/agent-a.yaml", "config: [SECRET\n");
  for (const daemon of [undefined, daemonView()]) {
    const found = checkGrants(await hostMachine(home, daemon && { daemon }));
    expect(found).toMatchObject([{ level: "problem", fix: "keyhole grant remove agent-a" }]);
    expect(JSON.stringify(found)).not.toContain("SECRET");
  }
});

test("a definition that the daemon does not serve is a problem", async () => {
  using home = new Home();
  const store = openGrantStore(home.make(".keyhole/grants"));
  for (const name of ["agent-a", "agent-f"]) store.write({ ...LEAST, name }, { durable: false });
  const daemon = daemonView({}, [grantInfo({ directory: home.make("g") })]);
  expect(checkGrants(await hostMachine(home, { daemon }))).toContainEqual({
    level: "problem",
    message: "agent-f: is defined, and the daemon does not serve it",
    fix: "keyhole daemon restart",
  });
});
