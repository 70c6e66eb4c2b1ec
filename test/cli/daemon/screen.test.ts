import { expect, test } from "bun:test";
import { type Look, renderScreen } from "../../../src/cli/commands/top.ts";
import { grantInfo } from "../../grants/fakes/grants.ts";
import { daemonStatus, session } from "../fakes/daemon.ts";
import { NOW } from "../fakes/world.ts";

function look(at: number, requests: number, uses: number): Look {
  return {
    at,
    status: daemonStatus({
      connections: 2,
      counters: [
        { name: "requests", value: requests },
        { name: "sts_calls", value: 3 },
      ],
      sessions: [session({ config: "dev", expiresAt: NOW + 3_000_000, renewAt: NOW + 1_500_000 })],
    }),
    grants: [
      grantInfo({ name: "agent", uses, endsAt: NOW + 7_200_000, expiresAt: NOW + 3_000_000 }),
      grantInfo({ name: "old", state: "revoked" }),
    ],
  };
}

test("a screen has the daemon, its sessions and the grants that are active, with what came in a second", () => {
  const text = renderScreen(look(NOW, 130, 25), look(NOW - 2_000, 100, 20), { columns: 100, rows: 24 });
  expect(text).toMatchInlineSnapshot(`
    "keyhole: 15.0 requests/s, 3 STS calls, 2 connections, 50.0 MiB, up 1 h 2 min

    SESSION  EXPIRES IN  RENEWAL IN  SOURCE       ROLE
    dev      50 min      25 min      environment  arn:aws:iam::111122223333:role/dev

    GRANT  CONFIG  ENDS IN  EXPIRES IN  USES/S  USES  REFUSED  CONNECTIONS
    agent  dev     2 h      50 min      2.5     25    0        0"
  `);
});

test("the first look has no rates", () => {
  expect(renderScreen(look(NOW, 130, 25), undefined, undefined)).toStartWith("keyhole: - requests/s, 3 STS calls");
});

test("it fits into a small terminal, and says what it leaves out", () => {
  const lines = renderScreen(look(NOW, 130, 25), undefined, { columns: 40, rows: 5 }).split("\n");
  expect(lines).toHaveLength(4);
  expect(lines.at(-1)).toBe("and 4 more lines");
  for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(40);
});
