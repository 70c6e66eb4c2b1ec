import { expect, test } from "bun:test";
import { utimesSync } from "node:fs";
import type { InsideMachine } from "../../../src/cli/doctor/machines.ts";
import type { Answerer } from "../../../src/cli/doctor/probes.ts";
import {
  checkDirectory,
  checkLease,
  checkLeaseClock,
  checkMount,
  checkPeer,
  checkProcess,
  checkRelay,
  checkGrantSocket,
} from "../../../src/cli/doctor/transports.ts";
import { PROCESS_LINE } from "../fakes/daemon.ts";
import { Home, insideMachine, mountGrant } from "../fakes/machines.ts";
import { NOW } from "../fakes/world.ts";

const RELAY = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:4711/credentials" };

function answering(home: Home, fields: Partial<InsideMachine>, probes: Partial<InsideMachine["probes"]>) {
  const machine = insideMachine(home, fields);
  return { ...machine, probes: { ...machine.probes, ...probes } };
}

test("a grant is mounted, or a relay is there, or neither", () => {
  using home = new Home();
  const none = insideMachine(home);
  expect(checkDirectory(none)).toMatchObject([{ level: "problem", message: "no grant is mounted here" }]);
  expect(checkDirectory({ ...none, environment: RELAY })).toMatchObject([{ level: "ok" }]);
  const grant = mountGrant(home);
  expect(checkDirectory({ ...none, grant })).toEqual([{ level: "ok", message: `${grant.path}, delivered by socket` }]);
});

const answers: readonly (readonly [Answerer, string, string])[] = [
  ["grant", "ok", "a grant answers"],
  ["blocked", "problem", "it needs file delivery"],
  ["none", "problem", "no daemon answers"],
  ["silent", "problem", "does not answer"],
  ["control", "problem", "is a control socket"],
  ["other", "problem", "is not understood"],
];

test.each(answers)("a socket where the answer is %s is %s: %s", async (answer, level, message) => {
  using home = new Home();
  const asked: string[] = [];
  const askSocket = (path: string) => {
    asked.push(path);
    return Promise.resolve(answer);
  };
  const grant = mountGrant(home);
  const found = await checkGrantSocket(answering(home, { grant }, { askSocket }));
  expect(found).toMatchObject([{ level, message: expect.stringContaining(message) }]);
  expect(asked).toEqual([`${grant.path}/sock`]);
});

test("the advice where sockets are blocked is file delivery, and its grant's socket is not asked for", async () => {
  using home = new Home();
  const blocked = { askSocket: () => Promise.resolve("blocked" as const) };
  const [found] = await checkGrantSocket(answering(home, { grant: mountGrant(home) }, blocked));
  expect(found?.fix).toBe("on the host: keyhole grant add NAME --config CONFIG --deliver file");
  expect(await checkGrantSocket(answering(home, { grant: mountGrant(home, "file") }, blocked))).toEqual([]);
});

const document = (fields: object) => JSON.stringify(fields);

test.each([
  ["a fresh one", PROCESS_LINE, "ok", "a fresh lease, for another 1 h"],
  ["one that ends", document({ Version: 1, Expiration: "2026-11-20T12:04:00Z" }), "warning", "ends in 4 min"],
  ["an old one", document({ Version: 1, Expiration: "2026-11-20T11:00:00Z" }), "problem", "expired 1 h ago"],
  [
    "a refusal",
    document({ Version: "keyhole: this grant is revoked" }),
    "problem",
    "the lease says: this grant is revoked",
  ],
  ["an ARN", document({ Version: "keyhole: no arn:aws:iam::111122223333:role/x" }), "problem", "the lease says: no …"],
  ["half a one", PROCESS_LINE.slice(0, 40), "problem", "is not a lease"],
  ["another version", document({ Version: 2, Expiration: "2026-11-20T13:00:00Z" }), "problem", "is not a lease"],
])("of leases, %s is known", (_, text, level, message) => {
  using home = new Home();
  const grant = mountGrant(home, "file");
  home.write("run/keyhole/lease.json", text, 0o444);
  const found = checkLease(insideMachine(home, { grant }));
  expect(found).toMatchObject([{ level, message: expect.stringContaining(message) }]);
  expect(JSON.stringify(found)).not.toMatch(/se\/cr|to\/\/ken|ASIA|arn:/);
});

test("a lease that is not there is a problem, and none is looked for where a socket delivers", () => {
  using home = new Home();
  expect(checkLease(insideMachine(home, { grant: mountGrant(home, "file") }))).toMatchObject([{ level: "problem" }]);
  expect(checkLease(insideMachine(home, { grant: mountGrant(home) }))).toEqual([]);
});

test.each([
  [0, "ok"],
  [59, "ok"],
  [61, "problem"],
])("a lease that was written %p s from now is %s", (seconds, level) => {
  using home = new Home();
  const grant = mountGrant(home, "file");
  const path = home.write("run/keyhole/lease.json");
  utimesSync(path, NOW / 1000 + seconds, NOW / 1000 + seconds);
  expect(checkLeaseClock(insideMachine(home, { grant }))).toMatchObject([{ level }]);
});

test.each([
  [401, "ok", "a relay answers at 127.0.0.1:4711"],
  [200, "problem", "what answers (200) is no relay"],
  [undefined, "problem", "nothing answers at 127.0.0.1:4711"],
])("a relay that says %p is %s", async (status, level, message) => {
  using home = new Home();
  const getStatus = () => Promise.resolve(status);
  const machine = answering(home, { environment: RELAY }, { getStatus });
  expect(await checkRelay(machine)).toMatchObject([{ level, message: expect.stringContaining(message) }]);
  expect(await checkRelay({ ...machine, environment: {} })).toEqual([]);
});

test("what the AWS config runs is there, and was run", async () => {
  using home = new Home();
  const grant = mountGrant(home);
  const check = (process: readonly string[], PATH = "", canRun = true) => {
    const machine = insideMachine(home, { grant: { ...grant, process }, environment: { PATH } });
    return checkProcess({ ...machine, probes: { ...machine.probes, canRun: () => Promise.resolve(canRun) } });
  };
  expect(await check(grant.process)).toMatchObject([{ level: "ok" }]);
  expect(await check(["/elsewhere/keyhole"])).toMatchObject([
    { level: "problem", fix: expect.stringContaining(`--mount-at ${grant.path}`) },
  ]);
  expect(await check(grant.process, "", false)).toMatchObject([
    { level: "problem", message: expect.stringContaining("may not be run") },
  ]);
  expect(await check(["cat", "x"], "/usr/bin:/bin")).toMatchObject([{ level: "ok" }]);
  expect(await check(["cat", "x"], home.path)).toMatchObject([{ level: "problem", fix: "use an image that has cat" }]);
  expect(await check([])).toEqual([]);
});

test("a directory in which a file could be made is named, in the words of the tool; one that only looks so is not", () => {
  using home = new Home();
  const grant = mountGrant(home);
  const machine = insideMachine(home, { grant, environment: { container: "firejail" } });
  expect(checkMount(machine)).toMatchObject([{ level: "ok" }]);
  const writable = { ...machine, probes: { ...machine.probes, canMakeFile: () => true } };
  expect(checkMount(writable)).toMatchObject([{ level: "warning", fix: `firejail --read-only=${grant.path}` }]);
});

test("in gVisor a socket that refuses is forbidden, with what would permit it", async () => {
  using home = new Home();
  const grant = mountGrant(home);
  home.write("run/keyhole/sock");
  home.write("version", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n");
  const nobody = { askSocket: () => Promise.resolve("none" as const) };
  expect(await checkGrantSocket(answering(home, { grant }, nobody))).toMatchObject([
    {
      level: "problem",
      message: expect.stringContaining("gVisor does not permit"),
      fix: "on the host: runsc --host-uds=open",
    },
  ]);
});

test("gVisor is told by its kernel, and no other is", () => {
  using home = new Home();
  home.write("version", "Linux version 6.18.5 #1 SMP PREEMPT_DYNAMIC\n");
  expect(checkPeer(insideMachine(home))).toEqual([]);
  home.write("version", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n");
  expect(checkPeer(insideMachine(home))).toMatchObject([{ message: expect.stringContaining("peer is a relay") }]);
});
