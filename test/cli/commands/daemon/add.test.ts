import { expect, test } from "bun:test";
import { session, startFakeDaemon, environmentOf } from "../../fakes/daemon.ts";
import { keyhole, NOW } from "../../fakes/world.ts";

const fresh = { issuedAt: NOW, expiresAt: NOW + 3_600_000, accessKeyId: "ASIAEXAMPLE" };

test.each([
  [[], { verify: true, renew: false }],
  [["--no-verify"], { verify: false, renew: false }],
  [["--force"], { verify: true, renew: true }],
] as const)("the options %j ask for %j, with this environment's selection", async (options, asked) => {
  await using daemon = startFakeDaemon({ Add: ({ config }) => session({ config, ...fresh }) });
  const result = await keyhole(["daemon", "add", "-n", "dev", ...options], {
    environment: environmentOf(daemon, { AWS_PROFILE: "base" }),
  });
  expect(result).toMatchObject({ exit: 0, stdout: "", stderr: "session dev added (expires in 1 h)\n" });
  expect(daemon.requests).toHaveLength(1);
  expect(daemon.requests[0]!.body).toMatchObject({ config: "dev", ...asked });
  expect(daemon.requests[0]!.body).toHaveProperty(
    "environment",
    expect.arrayContaining([{ name: "AWS_PROFILE", value: "base" }]),
  );
});

test("what is worth knowing about the session is said", async () => {
  const notes = ["the duration was reduced to 3600 s"];
  await using daemon = startFakeDaemon({ Add: ({ config }) => session({ config, notes }) });
  const result = await keyhole(["daemon", "add", "-n", "dev"], {
    environment: environmentOf(daemon, { AWS_PROFILE: "base" }),
  });
  expect(result.stderr).toBe(
    "session dev added (not verified with STS)\nkeyhole: warning: dev: the duration was reduced to 3600 s\n",
  );
});

test("--json prints the session, and nothing for people", async () => {
  await using daemon = startFakeDaemon({ Add: ({ config }) => session({ config, ...fresh }) });
  const result = await keyhole(["daemon", "add", "-n", "dev", "--json"], {
    environment: environmentOf(daemon, { AWS_PROFILE: "base" }),
  });
  expect(result.stderr).toBe("");
  expect(JSON.parse(result.stdout)).toMatchObject({ config: "dev", expiresAt: "2026-11-20T13:00:00.000Z" });
});
