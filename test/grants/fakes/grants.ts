// Grants for tests: one that has everything, one that has nothing, any, and what the daemon says of one.
import * as fc from "fast-check";
import type { GrantInfo } from "../../../src/wire/messages.ts";
import type { Grant, GrantTerms } from "../../../src/grants/grant.ts";

export const FULL: Grant = {
  name: "ci",
  config: "dev",
  id: "0123456789abcdef".repeat(4),
  sessionName: "keyhole-ci-0a1b2c3d",
  identity: "arn:aws:sts::111122223333:assumed-role/dev/ann",
  createdAt: 1_759_354_471_380,
  endsAt: 1_759_383_271_380,
  clockSkew: -3_600_000,
  revokedAt: 1_759_354_472_000,
  policy: '{"Version":"2012-10-17"}',
  policyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
  tags: [{ key: "team", value: "a b" }],
  sourceIdentity: "ann",
  durationSeconds: 5400,
  deliver: "file",
  mountAt: "host",
  executable: "none",
  arch: "arm64",
  allowUids: [0, 4_294_967_295],
  allowGids: [100],
  rate: { count: 10, milliseconds: 1000 },
  maxUses: 5,
  uses: 4,
  confirm: true,
  environment: { AWS_PROFILE: "dev" },
  hadKeys: true,
  keyId: "AKIAEXAMPLE",
  configDir: "/home/ann/configs",
  runner: { pid: 77, started: "boot/12" },
  sign: {
    allow: ["s3:Get*"],
    deny: ["s3:GetObjectAcl"],
    confirm: ["iam:*"],
    regions: ["eu-west-1"],
    resources: ["s3:bucket/*"],
    port: 27_001,
    listen: true,
  },
  dummy: { accessKeyId: "ASIAABCDEFGHIJKLMNOP", secretAccessKey: "0123456789abcdefghijABCDEFGHIJ-_01234567" },
};

/** The terms of a grant of which nothing was said. */
export const NO_TERMS: Omit<GrantTerms, "name" | "config"> = {
  policy: undefined,
  policyArns: [],
  tags: [],
  sourceIdentity: undefined,
  durationSeconds: undefined,
  deliver: "socket",
  mountAt: "/run/keyhole",
  executable: "small",
  arch: undefined,
  allowUids: [],
  allowGids: [],
  rate: { count: 10, milliseconds: 1000 },
  maxUses: undefined,
  confirm: false,
  sign: undefined,
};

export const LEAST: Grant = {
  name: "agent-a",
  config: "dev",
  id: "0".repeat(64),
  sessionName: "keyhole-agent-a-00000000",
  identity: undefined,
  createdAt: 0,
  endsAt: undefined,
  clockSkew: 0,
  revokedAt: undefined,
  ...NO_TERMS,
  rate: { count: 100, milliseconds: 3_600_000 },
  uses: 0,
  environment: {},
  hadKeys: false,
  keyId: undefined,
  configDir: undefined,
  runner: undefined,
  dummy: undefined,
};

/** A grant as the daemon shows it: active, over a socket, without an end. */
export function grantInfo(fields: Partial<GrantInfo> = {}): GrantInfo {
  return {
    name: "agent-a",
    config: "dev",
    ...NO_TERMS,
    state: "active",
    directory: "/home/ada/.keyhole/g/AAAAAAAAAAAAAAAAAAAAAA",
    createdAt: Date.UTC(2026, 10, 20, 11),
    endsAt: undefined,
    revokedAt: undefined,
    roleArn: "arn:aws:iam::111122223333:role/dev",
    sessionName: "keyhole-agent-a-01234567",
    accessKeyId: "ASIAEXAMPLE",
    expiresAt: Date.UTC(2026, 10, 20, 13),
    renewAt: undefined,
    packedPolicySize: undefined,
    uses: 3,
    refusals: 0,
    connections: 0,
    lastError: undefined,
    notes: [],
    executableBytes: 20_480,
    signed: [],
    ...fields,
  };
}

/** Any text that YAML can say, the kinds that need quotes among them. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom("", " ", "~", "null", "yes", "0x1F", "1e3", "2026-01-01", "a: b", "a #b", "'", '"', "\n", "- a", "|"),
);
const uint = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const time = fc.integer({ min: 0, max: 253_402_300_799_999 });
const absent = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });

/** Every grant that a daemon may come to keep. */
export const anyGrant: fc.Arbitrary<Grant> = fc.record({
  name: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/),
  config: fc.stringMatching(/^[\w-]{1,128}$/),
  id: fc.stringMatching(/^[0-9a-f]{64}$/),
  sessionName: fc.stringMatching(/^[\w+=,.@-]{2,64}$/),
  identity: absent(text.map((rest) => `arn:${rest}`)),
  createdAt: time,
  endsAt: absent(time),
  clockSkew: fc.integer({ min: -253_402_300_799_999, max: 253_402_300_799_999 }),
  revokedAt: absent(time),
  policy: absent(text),
  policyArns: fc.array(text, { maxLength: 4 }),
  tags: fc.array(fc.record({ key: text, value: text }), { maxLength: 4 }),
  sourceIdentity: absent(text),
  durationSeconds: absent(fc.integer({ min: 1, max: 43_200 })),
  deliver: fc.constantFrom("socket", "file", "sign"),
  mountAt: fc.constantFrom("host", "/run/keyhole", "/opt/my grant"),
  executable: fc.constantFrom("small", "full", "none"),
  arch: absent(fc.constantFrom("amd64", "arm64")),
  allowUids: fc.array(uint, { maxLength: 4 }),
  allowGids: fc.array(uint, { maxLength: 4 }),
  rate: fc.record({
    count: fc.integer({ min: 1, max: 1_000_000 }),
    milliseconds: fc.integer({ min: 1, max: 86_400_000 }),
  }),
  maxUses: absent(fc.integer({ min: 1, max: 2 ** 32 - 1 })),
  uses: uint,
  confirm: fc.boolean(),
  environment: fc.dictionary(fc.constantFrom("AWS_PROFILE", "AWS_REGION", "HOME", "PATH"), text, {
    noNullPrototype: true,
  }),
  hadKeys: fc.boolean(),
  keyId: absent(fc.stringMatching(/^\w{1,128}$/)),
  configDir: absent(text.map((rest) => `/${rest}`)),
  sign: absent(
    fc.record({
      allow: fc.array(text, { maxLength: 2 }),
      deny: fc.array(text, { maxLength: 2 }),
      confirm: fc.array(text, { maxLength: 2 }),
      regions: fc.array(text, { maxLength: 2 }),
      resources: fc.array(text, { maxLength: 2 }),
      port: fc.integer({ min: 1, max: 65_535 }),
      listen: fc.boolean(),
    }),
  ),
  dummy: absent(
    fc.record({
      accessKeyId: fc.stringMatching(/^ASIA[A-Z0-9]{16}$/),
      secretAccessKey: fc.stringMatching(/^[\w-]{40}$/),
    }),
  ),
  runner: absent(fc.record({ pid: fc.integer({ min: 1, max: 2 ** 31 - 1 }), started: text })),
});
