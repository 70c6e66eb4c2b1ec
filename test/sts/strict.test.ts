// What the product's tests rely on without seeing it: it refuses what AWS refuses, and a call that should fail does.
import {
  type AssumeRoleCommandInput,
  AssumeRoleWithWebIdentityCommand,
  GetSessionTokenCommand,
} from "@aws-sdk/client-sts";
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { assume, clientOf, outcomeOf, ROLE_ARN, whoami } from "./sdk.ts";
import { type RoleDefinition, startSts } from "./server.ts";

const DEVICE = { serialNumber: "arn:aws:iam::111122223333:mfa/developer", code: "123456" };
const sts = startSts({ mfa: DEVICE });
afterAll(() => sts.stop());
beforeEach(() => sts.reset());

type Input = Partial<AssumeRoleCommandInput>;

const denied = { code: "AccessDenied", status: 403 };
const withCode = { SerialNumber: DEVICE.serialNumber, TokenCode: DEVICE.code };
const policyArn = { arn: "arn:aws:iam::aws:policy/ReadOnlyAccess" };
const times = <Value>(count: number, value: Value) => Array.from({ length: count }, () => value);
const tagsOf = (count: number, value = "") => Array.from({ length: count }, (_, n) => ({ Key: `k${n}`, Value: value }));
/** 50 tags of random values, which do not compress. */
const manyTags = tagsOf(50).map(({ Key }) => ({ Key, Value: randomBytes(128).toString("hex") }));

const atName = "Value 'x' at 'roleSessionName' failed to satisfy constraint: ";
const atDuration = "Value '899' at 'durationSeconds' failed to satisfy constraint: ";
test.each<[title: string, input: Input, message: string]>([
  ["a short name", { RoleSessionName: "x" }, `${atName}Member must have length greater than or equal to 2`],
  ["a long name", { RoleSessionName: "x".repeat(65) }, "less than or equal to 64"],
  ["a name with a space", { RoleSessionName: "a b" }, "satisfy regular expression pattern: [\\w+=,.@-]*"],
  ["the ARN of a user", { RoleArn: "arn:aws:iam::444455556666:user/deploy" }, ":user/deploy is invalid"],
  ["a short ARN", { RoleArn: "role/short" }, "Value 'role/short' at 'roleArn' failed to satisfy constraint"],
  ["899 s", { DurationSeconds: 899 }, `${atDuration}Member must have value greater than or equal to 900`],
  ["over 12 h", { DurationSeconds: 43_201 }, "Member must have value less than or equal to 43200"],
  ["an external id with a space", { ExternalId: "a b" }, "'externalId'"],
  ["a source identity of AWS's", { SourceIdentity: "aws:me" }, "'sourceIdentity'"],
  ["two things at once", { SerialNumber: "short", TokenCode: "1" }, "2 validation errors detected: "],
  ["6 contexts", { ProvidedContexts: times(6, { ContextAssertion: "some" }) }, "'providedContexts'"],
  ["a long policy", { Policy: "x".repeat(2049) }, "Member must have length less than or equal to 2048"],
  ["an arrow in a policy", { Policy: '{"Statement":"→"}' }, "'policy'"],
  ["11 policy ARNs", { PolicyArns: times(11, policyArn) }, "'policyArns'"],
  ["another account's policy", { PolicyArns: [{ arn: "arn:aws:iam::999999999999:policy/X" }] }, "is not valid."],
  [
    "a policy and ARNs that are too long together",
    { Policy: `{"Statement":"${"x".repeat(2030)}"}`, PolicyArns: [policyArn] },
    "2048 characters in total",
  ],
  ["51 tags", { Tags: tagsOf(51) }, "'tags'"],
  ["an asterisk in a tag", { Tags: [{ Key: "a*b", Value: "" }] }, "'tags.member.key'"],
  ["a long tag key", { Tags: [{ Key: "k".repeat(129), Value: "" }] }, "less than or equal to 128"],
  ["a long tag value", { Tags: tagsOf(1, "v".repeat(257)) }, "less than or equal to 256"],
])("AssumeRole refuses %s", async (_title, input, message) => {
  const outcome = await outcomeOf(assume(sts, input));
  expect(outcome).toMatchObject({ code: "ValidationError", status: 400 });
  expect(outcome.message).toContain(message);
});

// The SDK's names for AWS's codes `MalformedPolicyDocument` and `PackedPolicyTooLarge` end in `Exception`.
test.each<[title: string, input: Input, code: string]>([
  ["a policy that is not JSON", { Policy: "{" }, "MalformedPolicyDocumentException"],
  ["a policy without a statement", { Policy: "{}" }, "MalformedPolicyDocumentException"],
  [
    "tag keys that differ in case alone",
    { Tags: ["a", "A"].map((Key) => ({ Key, Value: "" })) },
    "InvalidParameterValue",
  ],
  ["a transitive key without its tag", { TransitiveTagKeys: ["a"] }, "InvalidParameterValue"],
  ["tags that do not fit together", { Tags: manyTags }, "PackedPolicyTooLargeException"],
])("AssumeRole refuses %s with a code of its own", async (_title, input, code) => {
  expect(await outcomeOf(assume(sts, input))).toMatchObject({ code, status: 400 });
});

test.each<Input>([
  { ...withCode, TokenCode: "654321" },
  { ...withCode, SerialNumber: "arn:aws:iam::111122223333:mfa/other" },
  { SerialNumber: DEVICE.serialNumber },
  { TokenCode: DEVICE.code },
])("MFA refuses %j", async (input) => {
  const message = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
  expect(await outcomeOf(assume(sts, input))).toEqual({ ...denied, message });
});

test("MFA takes a code once, if it is told so", async () => {
  sts.mfa = { ...DEVICE, code: "777777", once: true };
  const input = { ...withCode, TokenCode: "777777" };
  expect(await outcomeOf(assume(sts, input))).toMatchObject({ code: "ok" });
  expect(await outcomeOf(assume(sts, input))).toMatchObject(denied);
});

test.each<[role: RoleDefinition, input: Input, code: string]>([
  [{ deny: true }, {}, "AccessDenied"],
  [{ trust: ["arn:aws:iam::111122223333:user/developer"] }, {}, "ok"],
  [{ trust: ["arn:aws:iam::111122223333:root"] }, {}, "ok"],
  [{ trust: ["arn:aws:iam::111122223333:user/other"] }, {}, "AccessDenied"],
  [{ externalId: "secret-id" }, {}, "AccessDenied"],
  [{ externalId: "secret-id" }, { ExternalId: "wrong-id" }, "AccessDenied"],
  [{ externalId: "secret-id" }, { ExternalId: "secret-id" }, "ok"],
  [{ requireSourceIdentity: true }, {}, "AccessDenied"],
  [{ requireSourceIdentity: true }, { SourceIdentity: "ann" }, "ok"],
  [{ requireMfa: true }, {}, "AccessDenied"],
  [{ requireMfa: true }, withCode, "ok"],
  [{ maxSessionDuration: 7200 }, { DurationSeconds: 7200 }, "ok"],
  [{ maxSessionDuration: 7200 }, { DurationSeconds: 7201 }, "ValidationError"],
])("a role that is %j answers %j with %s", async (role, input, code) => {
  sts.roles.set(ROLE_ARN, role);
  expect(await outcomeOf(assume(sts, input))).toMatchObject({ code });
});

test("a role that is not defined is refused where the others are the only ones", async () => {
  const strict = startSts({ onlyDefinedRoles: true, roles: { [ROLE_ARN]: {} } });
  expect(await outcomeOf(assume(strict))).toMatchObject({ code: "ok" });
  expect(await outcomeOf(assume(strict, { RoleArn: `${ROLE_ARN}2` }))).toMatchObject(denied);
  await strict.stop();
});

describe("role chaining", () => {
  test("gives an hour at most, and begins at no user's session token", async () => {
    const first = await assume(sts);
    expect(await outcomeOf(assume(sts, { DurationSeconds: 3600 }, first))).toMatchObject({ code: "ok" });
    expect(await outcomeOf(assume(sts, { DurationSeconds: 3601 }, first))).toEqual({
      code: "ValidationError",
      status: 400,
      message: "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    });
    const { Credentials } = await clientOf(sts, sts.root).send(new GetSessionTokenCommand());
    const session = sts.issued.get(Credentials!.AccessKeyId!);
    expect(await outcomeOf(assume(sts, { DurationSeconds: 7200 }, session))).toMatchObject({ code: "ok" });
  });

  test("hands transitive tags and the source identity down, and lets neither be changed from below", async () => {
    const tags = [
      { Key: "Team", Value: "a" },
      { Key: "Own", Value: "b" },
    ];
    const first = await assume(sts, { Tags: tags, TransitiveTagKeys: ["Team"], SourceIdentity: "ann" });
    const second = await assume(sts, {}, first);
    expect([...second.tags]).toEqual([["Team", "a"]]);
    expect(second.sourceIdentity).toBe("ann");
    const again = assume(sts, { Tags: [{ Key: "team", Value: "c" }] }, second);
    expect(await outcomeOf(again)).toMatchObject({ code: "InvalidParameterValue" });
    expect(await outcomeOf(assume(sts, { SourceIdentity: "bob" }, first))).toMatchObject(denied);
  });
});

test("GetSessionToken is refused to a session", async () => {
  const outcome = await outcomeOf(clientOf(sts, await assume(sts)).send(new GetSessionTokenCommand()));
  expect(outcome).toEqual({ ...denied, message: "Cannot call GetSessionToken with session credentials" });
});

/** A JWT with these claims and no signature to speak of. */
const tokenOf = (of: object) =>
  ["{}", JSON.stringify(of), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".");
/** As a caller that holds no key at all. */
const exchange = (token: string) =>
  clientOf(sts, { ...sts.root, accessKeyId: "NONE" }).send(
    new AssumeRoleWithWebIdentityCommand({ RoleArn: ROLE_ARN, RoleSessionName: "session", WebIdentityToken: token }),
  );

describe("AssumeRoleWithWebIdentity", () => {
  const claims = { iss: "https://issuer.example", sub: "repo:keyhole", aud: "sts.amazonaws.com" };
  test("tells whose token it was", async () => {
    const answer = await exchange(tokenOf(claims));
    expect(answer).toMatchObject({ SubjectFromWebIdentityToken: claims.sub, Provider: "issuer.example" });
    const key = sts.issued.get(answer.Credentials!.AccessKeyId!);
    expect(await whoami(sts, key)).toBe("arn:aws:sts::444455556666:assumed-role/deploy/session");
  });

  test.each([
    ["no JWT", "something", "InvalidIdentityTokenException"],
    ["a JWT without a subject", tokenOf({ ...claims, sub: undefined }), "InvalidIdentityTokenException"],
    ["a JWT that is over", tokenOf({ ...claims, exp: 1_000_000_000 }), "ExpiredTokenException"],
    ["nothing", "", "ValidationError"],
  ])("refuses %s", async (_title, token, code) => {
    expect(await outcomeOf(exchange(token))).toMatchObject({ code, status: 400 });
  });

  test("is refused by a role that trusts no token, or keys alone", async () => {
    for (const role of [{ deny: true }, { trust: ["arn:aws:iam::111122223333:root"] }]) {
      sts.roles.set(ROLE_ARN, role);
      const message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
      expect(await outcomeOf(exchange(tokenOf(claims)))).toEqual({ ...denied, message });
    }
  });
});
