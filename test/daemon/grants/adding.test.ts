import { expect, test } from "bun:test";
import { lifeOf, planGrant } from "../../../src/daemon/grants/adding.ts";
import { roleConfig } from "../fakes/configs.ts";
import { clocksAt, grantRequest, LINUX } from "../fakes/grants.ts";

const NOW = Date.UTC(2026, 0, 1);
const config = roleConfig("dev");
const ID = "0".repeat(64);

test("a definition has what was asked for and a session name of its own", () => {
  const environment = { AWS_PROFILE: "work", AWS_SECRET_ACCESS_KEY: "canary" };
  const one = planGrant(
    grantRequest({ ttlSeconds: 3600, maxUses: 5 }),
    config,
    environment,
    clocksAt(NOW + 0.5),
    ID,
    LINUX,
  );
  expect(one).toMatchObject({
    name: "agent",
    config: "dev",
    maxUses: 5,
    uses: 0,
    createdAt: NOW,
    endsAt: NOW + 3_600_000,
    environment: { AWS_PROFILE: "work" },
    hadKeys: true,
  });
  expect(JSON.stringify(one)).not.toContain("canary");
  const two = planGrant(grantRequest(), config, environment, clocksAt(NOW), ID, LINUX);
  expect(one.id).toBe(ID);
  expect(two.sessionName).not.toBe(one.sessionName);
  expect(two.endsAt).toBeUndefined();
});

test("a grant that is delivered as a file has no executable", () => {
  const asked = { executable: "full" } as const;
  expect(planGrant(grantRequest(asked), config, {}, clocksAt(NOW), ID, LINUX).executable).toBe("full");
  expect(planGrant(grantRequest({ ...asked, deliver: "file" }), config, {}, clocksAt(NOW), ID, LINUX).executable).toBe(
    "none",
  );
});

test("everything that is wrong is said at once", () => {
  const request = grantRequest({
    deliver: "file",
    maxUses: 0,
    confirm: true,
    ttlSeconds: 60,
    allowGids: [5],
    rate: { count: 5, milliseconds: 1000 },
  });
  try {
    planGrant(request, config, {}, clocksAt(NOW), ID, LINUX);
    expect.unreachable();
  } catch (error) {
    expect((error as Error).message.split("\n")).toEqual([
      "a grant lives for 15 minutes at least: STS issues no shorter session",
      "--max-uses must be 1 at least",
      "--allow-gid is for sockets: the daemon does not see who reads a file",
      "--max-uses is for sockets: the daemon does not see who reads a file",
      "--confirm is for sockets: the daemon does not see who reads a file",
      "--rate is for sockets: the daemon does not see who reads a file",
    ]);
  }
});

test.each([
  [undefined, undefined],
  [900, 930],
  [930, 930],
  [3600, 3600],
])(
  "a life of %p seconds ends after %p: STS issues nothing under 15 minutes, and the way there takes time",
  (ttl, life) => {
    expect(lifeOf({ ttlSeconds: ttl }, clocksAt(NOW)).endsAt).toBe(life === undefined ? undefined : NOW + life * 1000);
  },
);
