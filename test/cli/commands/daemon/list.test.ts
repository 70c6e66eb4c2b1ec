import { expect, test } from "bun:test";
import { session, startFakeDaemon, environmentOf } from "../../fakes/daemon.ts";
import { keyhole, NOW } from "../../fakes/world.ts";

const sessions = [
  session({ config: "old", expiresAt: NOW - 1 }),
  session({ config: "new", expiresAt: NOW + 90_000, renewAt: NOW + 30_000, source: "profile \u001b[31mdev" }),
];

test("names stand one per line in the daemon's order, for loops in a shell", async () => {
  await using daemon = startFakeDaemon({ List: () => ({ sessions }) });
  const result = await keyhole(["daemon", "list"], { environment: environmentOf(daemon) });
  expect(result).toMatchObject({ exit: 0, stdout: "old\nnew\n", stderr: "" });
});

test("--long is a table without control characters", async () => {
  await using daemon = startFakeDaemon({ List: () => ({ sessions }) });
  const { stdout } = await keyhole(["daemon", "list", "-l"], { environment: environmentOf(daemon) });
  expect(stdout).toMatchInlineSnapshot(`
    "SESSION  EXPIRES IN  RENEWAL IN  SOURCE               ROLE
    old      expired     on demand   environment          arn:aws:iam::111122223333:role/old
    new      1 min 30 s  30 s        profile \\x1b[31mdev  arn:aws:iam::111122223333:role/new
    "
  `);
});

test("--json has every field, with instants", async () => {
  await using daemon = startFakeDaemon({ List: () => ({ sessions }) });
  const { stdout } = await keyhole(["daemon", "list", "--json"], { environment: environmentOf(daemon) });
  expect(JSON.parse(stdout)).toMatchObject([{ config: "old" }, { config: "new", renewAt: "2026-11-20T12:00:30.000Z" }]);
});

test("no sessions are nothing on stdout, and an empty list in JSON", async () => {
  await using daemon = startFakeDaemon({ List: () => ({ sessions: [] }) });
  const environment = environmentOf(daemon);
  expect(await keyhole(["daemon", "list"], { environment })).toMatchObject({
    exit: 0,
    stdout: "",
    stderr: "no active sessions\n",
  });
  expect((await keyhole(["daemon", "list", "--json"], { environment })).stdout).toBe("[]\n");
});
