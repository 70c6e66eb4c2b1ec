import { type AssumeRoleCommandInput, GetCallerIdentityCommand, GetSessionTokenCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { assume, clientOf, outcomeOf, ROLE_ARN, whoami } from "./sdk.ts";
import { startSts } from "./server.ts";

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0, 789);
const sts = startSts();
afterAll(() => sts.stop());
beforeEach(() => sts.reset());

const validation = { code: "ValidationError", status: 400 };
const denied = { code: "AccessDenied", status: 403 };

describe("AssumeRole", () => {
  test("issues a key that works and shows whose it is", async () => {
    const key = await assume(sts, { DurationSeconds: 900 });
    expect(key).toMatchObject({ accountId: "444455556666", roleArn: ROLE_ARN });
    expect(key.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/);
    expect(key.secretAccessKey).toHaveLength(40);
    expect(key.sessionToken!.length).toBeWithin(900, 1100);
    expect(key.userId).toMatch(/^AROA[A-Z2-7]{17}:session$/);
    expect(await whoami(sts, key)).toBe("arn:aws:sts::444455556666:assumed-role/deploy/session");
    expect(await whoami(sts)).toBe("arn:aws:iam::111122223333:user/developer");
  });

  test("gives a role one id and every session another key", async () => {
    const [first, second] = [await assume(sts), await assume(sts)];
    expect(second.userId).toBe(first.userId);
    expect(second.accessKeyId).not.toBe(first.accessKeyId);
    const other = await assume(sts, { RoleArn: `${ROLE_ARN}2` });
    expect(other.userId).not.toBe(first.userId);
  });

  test("ends a session by its own clock, in whole seconds", async () => {
    // Its clock stands still, near the real one, by which the SDK signs.
    const still = startSts({ now: () => NOW, clockOffset: Date.now() - NOW });
    const key = await assume(still, { DurationSeconds: 900 });
    await still.stop();
    expect(key.expiresAt! % 1000).toBe(0);
    expect(key.expiresAt! - key.issuedAt).toBeWithin(899_000, 900_001);
  });

  test("takes an hour where no duration is given", async () => {
    const { expiresAt, issuedAt } = await assume(sts);
    expect(Math.round((expiresAt! - issuedAt) / 1000)).toBeWithin(3599, 3601);
  });

  test("keeps the parts of a partition and leaves the path out", async () => {
    const key = await assume(sts, { RoleArn: "arn:aws-us-gov:iam::444455556666:role/a/b/c" });
    expect(key.arn).toBe("arn:aws-us-gov:sts::444455556666:assumed-role/c/session");
  });

  const atName = "Value 'x' at 'roleSessionName' failed to satisfy constraint: ";
  const atDuration = "Value '899' at 'durationSeconds' failed to satisfy constraint: ";
  const refusals: [title: string, input: Partial<AssumeRoleCommandInput>, message: string][] = [
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
    [
      "6 contexts",
      { ProvidedContexts: Array.from({ length: 6 }, () => ({ ContextAssertion: "some" })) },
      "'providedContexts'",
    ],
  ];
  test.each(refusals)("refuses %s", async (_title, input, message) => {
    const outcome = await outcomeOf(assume(sts, input));
    expect(outcome).toMatchObject(validation);
    expect(outcome.message).toContain(message);
  });

  test("may be told a shorter least duration", async () => {
    const quick = startSts({ minDuration: 2 });
    expect(await outcomeOf(assume(quick, { DurationSeconds: 2 }))).toMatchObject({ code: "ok" });
    expect(await outcomeOf(assume(quick, { DurationSeconds: 1 }))).toMatchObject(validation);
    await quick.stop();
  });
});

describe("role chaining", () => {
  test("gives an hour at most", async () => {
    const first = await assume(sts);
    expect(await outcomeOf(assume(sts, { DurationSeconds: 3600 }, first))).toMatchObject({ code: "ok" });
    expect(await outcomeOf(assume(sts, { DurationSeconds: 3601 }, first))).toMatchObject({
      ...validation,
      message: "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    });
  });

  test("does not begin at a user's session token", async () => {
    const { Credentials } = await clientOf(sts, sts.root).send(new GetSessionTokenCommand());
    const session = sts.issued.get(Credentials!.AccessKeyId!);
    expect(await outcomeOf(assume(sts, { DurationSeconds: 7200 }, session))).toMatchObject({ code: "ok" });
  });

  test("hands transitive tags down and refuses them from below", async () => {
    const tags = [
      { Key: "Team", Value: "a" },
      { Key: "Own", Value: "b" },
    ];
    const first = await assume(sts, { Tags: tags, TransitiveTagKeys: ["Team"] });
    const second = await assume(sts, {}, first);
    expect([...second.tags]).toEqual([["Team", "a"]]);
    const again = assume(sts, { Tags: [{ Key: "team", Value: "c" }] }, second);
    expect(await outcomeOf(again)).toMatchObject({ code: "InvalidParameterValue" });
  });

  test("hands the source identity down and never changes it", async () => {
    const first = await assume(sts, { SourceIdentity: "ann" });
    expect((await assume(sts, {}, first)).sourceIdentity).toBe("ann");
    expect(await outcomeOf(assume(sts, { SourceIdentity: "bob" }, first))).toMatchObject(denied);
  });
});

describe("GetSessionToken", () => {
  test("issues a key of the same user, for 12 hours", async () => {
    const { Credentials } = await clientOf(sts, sts.root).send(new GetSessionTokenCommand());
    const key = sts.issued.get(Credentials!.AccessKeyId!)!;
    expect(await whoami(sts, key)).toBe("arn:aws:iam::111122223333:user/developer");
    expect(Math.round((key.expiresAt! - key.issuedAt) / 1000)).toBeWithin(43_199, 43_201);
  });

  test("is refused to a session", async () => {
    const key = await assume(sts);
    expect(await outcomeOf(clientOf(sts, key).send(new GetSessionTokenCommand()))).toMatchObject({
      ...denied,
      message: "Cannot call GetSessionToken with session credentials",
    });
  });
});

test("GetCallerIdentity tells account and user id", async () => {
  const identity = await clientOf(sts, sts.root).send(new GetCallerIdentityCommand());
  expect(identity).toMatchObject({ Account: "111122223333", UserId: sts.root.userId });
});
