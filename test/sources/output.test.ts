import { expect, test } from "bun:test";
import { StsFailed } from "../../src/sources/sts/failure.ts";
import { readIdentity, readRole, readSessionToken } from "../../src/sources/sts/output.ts";

const CREDENTIALS = {
  AccessKeyId: "ASIAABCDEFGHIJKLMNOP",
  SecretAccessKey: "a+/=",
  SessionToken: "token",
  Expiration: new Date("2026-01-01T00:00:00Z"),
};
const USER = { AssumedRoleId: "AROAABCDEFGHIJKLMNOP:name", Arn: "arn:aws:sts::111122223333:assumed-role/demo/name" };

function failureOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error instanceof StsFailed ? error.failure : error;
  }
}

/** An answer with some of its fields replaced. */
function answer(change: Record<string, unknown>) {
  const names = Object.keys(change);
  const pick = <Part extends object>(part: Part): Part => ({
    ...part,
    ...Object.fromEntries(names.filter((name) => name in part).map((name) => [name, change[name]])),
  });
  return { $metadata: {}, Credentials: pick(CREDENTIALS), AssumedRoleUser: pick(USER), PackedPolicySize: undefined };
}

test("what STS ordinarily answers is taken", () => {
  expect(readRole(answer({}))).toEqual({
    credentials: {
      accessKeyId: CREDENTIALS.AccessKeyId,
      secretAccessKey: CREDENTIALS.SecretAccessKey,
      sessionToken: CREDENTIALS.SessionToken,
      expiresAt: CREDENTIALS.Expiration.getTime(),
      accountId: "111122223333",
    },
    assumedRoleId: USER.AssumedRoleId,
    arn: USER.Arn,
    packedPolicySize: undefined,
  });
});

const LONG = "x".repeat(70_000);

const UNUSABLE: Readonly<Record<string, readonly unknown[]>> = {
  AccessKeyId: [undefined, "", LONG, "ASIA\u202eEVIL", "ASIA\nkeyhole: error"],
  SecretAccessKey: ["AB\0CD", "AB\rCD", "AB CD", LONG],
  SessionToken: ["AB\u001b[2J", LONG],
  Arn: [undefined, `${USER.Arn}${LONG}`, `${USER.Arn}\n`],
  AssumedRoleId: ["AROA\u0007", LONG],
  Expiration: [undefined, new Date(NaN), new Date(-1), new Date(8.64e15)],
};

test("a session token's answer is held to what a role's is", () => {
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = CREDENTIALS;
  const expiresAt = CREDENTIALS.Expiration.getTime();
  expect(readSessionToken(answer({}))).toEqual({ accessKeyId, secretAccessKey, sessionToken, expiresAt });
  for (const field of ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
    expect(failureOf(() => readSessionToken(answer({ [field]: UNUSABLE[field]![0] })))).toEqual({
      kind: "unusable",
      field,
    });
});

test.each(Object.keys(UNUSABLE))("a role's answer whose %s can be none is not taken", (field) => {
  for (const value of UNUSABLE[field]!)
    expect(failureOf(() => readRole(answer({ [field]: value })))).toEqual({ kind: "unusable", field });
});

test.each([-1, 0.5, 2 ** 32])("a packed policy size of %d is none", (PackedPolicySize) => {
  expect(failureOf(() => readRole({ ...answer({}), PackedPolicySize }))).toMatchObject({ field: "PackedPolicySize" });
});

test.each(["RGW12345678901234567", "", "1234"])("an account %j is none of AWS's, and not told", (account) => {
  const { credentials } = readRole(answer({ Arn: `arn:aws:sts::${account}:assumed-role/demo/name` }));
  expect(credentials.accountId).toBeUndefined();
});

test("an identity is checked in the same way", () => {
  const identity = { $metadata: {}, UserId: "AIDA", Account: "111122223333", Arn: "arn:aws:iam::1:user/x" };
  for (const [field, value] of Object.entries({ UserId: undefined, Account: "1\0", Arn: LONG }))
    expect(failureOf(() => readIdentity({ ...identity, [field]: value }))).toEqual({ kind: "unusable", field });
});
