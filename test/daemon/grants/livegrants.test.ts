import { expect, test } from "bun:test";
import { planGrant } from "../../../src/daemon/grants/adding.ts";
import { grantInfoOf, type LiveGrant } from "../../../src/daemon/grants/livegrants.ts";
import { KeyholeError } from "../../../src/errors.ts";
import type { Grant } from "../../../src/grants/grant.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import { messages, type SessionInfo } from "../../../src/wire/messages.ts";
import { roleConfig } from "../fakes/configs.ts";
import { clocksAt, grantRequest, LINUX } from "../fakes/grants.ts";

const NOW = Date.UTC(2026, 0, 1);

function liveGrant(changes: Partial<LiveGrant> = {}, terms: Partial<Grant> = {}): LiveGrant {
  const grant = {
    ...planGrant(grantRequest({ ttlSeconds: 3600 }), roleConfig("dev"), {}, clocksAt(NOW), "0".repeat(64), LINUX),
    ...terms,
  };
  const live = {
    grant,
    revision: "1",
    environment: {},
    mount: { path: "/home/g/x", executableBytes: () => 4096 },
    refusals: 2,
    ...changes,
  };
  return live as unknown as LiveGrant;
}

const session = {
  lastError: "AccessDenied",
  renewAt: NOW + 5,
  notes: ["shorter"],
  roleArn: "arn:role",
} as unknown as SessionInfo;

test("a grant is shown with what is out, and as the wire takes it", () => {
  const outstanding = { accessKeyId: "ASIA1", expiresAt: NOW + 1000.5, packedPolicySize: 12 };
  const info = grantInfoOf(liveGrant({ outstanding }), session, NOW);
  expect(info).toMatchObject({
    state: "active",
    directory: "/home/g/x",
    accessKeyId: "ASIA1",
    expiresAt: NOW + 1000,
    packedPolicySize: 12,
    renewAt: NOW + 5,
    roleArn: "arn:role",
    refusals: 2,
    lastError: "AccessDenied",
    notes: ["shorter"],
  });
  const { response } = messages.GrantMake;
  expect(decode(response, encode(response, info), 0)).toEqual(info);
});

test("without a session it is shown as it was known last", () => {
  const lastError = new KeyholeError("network", "x".repeat(3000));
  const info = grantInfoOf(liveGrant({ roleArn: "arn:last", lastError }), undefined, NOW + 3_600_000);
  expect(info).toMatchObject({ state: "expired", roleArn: "arn:last", connections: 0 });
  expect(info.lastError).toHaveLength(2001);
});

test("what a person should know of it is among its notes", () => {
  const forgotten = grantInfoOf(liveGrant({ environment: undefined }, { hadKeys: true }), undefined, NOW);
  expect(forgotten.notes.join()).toContain("keys in an environment");
  const unwritten = grantInfoOf(liveGrant({ revision: undefined }), undefined, NOW);
  expect(unwritten.notes.join()).toContain("could not be written");
});
