import { AssumeRoleCommand, type AssumeRoleCommandInput } from "@aws-sdk/client-sts";
import { afterAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { assume, clientOf, outcomeOf, ROLE_ARN } from "./sdk.ts";
import { startSts } from "./server.ts";

const sts = startSts();
afterAll(() => sts.stop());

describe("what narrows or marks a session", () => {
  const policyArn = { arn: "arn:aws:iam::aws:policy/ReadOnlyAccess" };
  const refusals: [title: string, input: Partial<AssumeRoleCommandInput>, message: string][] = [
    ["a long policy", { Policy: "x".repeat(2049) }, "Member must have length less than or equal to 2048"],
    ["an arrow in a policy", { Policy: '{"Statement":"→"}' }, "'policy'"],
    ["11 policy ARNs", { PolicyArns: Array.from({ length: 11 }, () => policyArn) }, "'policyArns'"],
    ["another account's policy", { PolicyArns: [{ arn: "arn:aws:iam::999999999999:policy/X" }] }, "is not valid."],
    [
      "a policy and ARNs that are too long together",
      { Policy: `{"Statement":"${"x".repeat(2030)}"}`, PolicyArns: [policyArn] },
      "2048 characters in total",
    ],
    ["51 tags", { Tags: Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: "" })) }, "'tags'"],
    ["an asterisk in a tag", { Tags: [{ Key: "a*b", Value: "" }] }, "'tags.member.key'"],
    ["a long tag key", { Tags: [{ Key: "k".repeat(129), Value: "" }] }, "less than or equal to 128"],
    ["a long tag value", { Tags: [{ Key: "a", Value: "v".repeat(257) }] }, "less than or equal to 256"],
  ];
  test.each(refusals)("refuses %s", async (_title, input, message) => {
    const outcome = await outcomeOf(assume(sts, input));
    expect(outcome).toMatchObject({ code: "ValidationError", status: 400 });
    expect(outcome.message).toContain(message);
  });

  const twice = [
    { Key: "a", Value: "" },
    { Key: "A", Value: "" },
  ];
  // The SDK's names for AWS's codes `MalformedPolicyDocument` and `PackedPolicyTooLarge` end in `Exception`.
  const named: [title: string, input: Partial<AssumeRoleCommandInput>, code: string][] = [
    ["a policy that is not JSON", { Policy: "{" }, "MalformedPolicyDocumentException"],
    ["a policy without a statement", { Policy: "{}" }, "MalformedPolicyDocumentException"],
    ["tag keys that differ in case alone", { Tags: twice }, "InvalidParameterValue"],
    ["a transitive key without its tag", { TransitiveTagKeys: ["a"] }, "InvalidParameterValue"],
    ["tags that do not fit together", { Tags: manyTags() }, "PackedPolicyTooLargeException"],
  ];
  test.each(named)("refuses %s with a code of its own", async (_title, input, code) => {
    expect(await outcomeOf(assume(sts, input))).toMatchObject({ code, status: 400 });
  });

  test("passes on what narrows and marks a session", async () => {
    const policy = '{"Version":"2012-10-17","Statement":[]}';
    const key = await assume(sts, {
      Policy: policy,
      PolicyArns: [{ arn: "arn:aws:iam::aws:policy/ReadOnlyAccess" }, { arn: "arn:aws:iam::444455556666:policy/own" }],
      Tags: [{ Key: "Projekt", Value: "größer + schöner" }],
      SourceIdentity: "ann",
    });
    expect(key.policy).toBe(policy);
    expect(key.policyArns).toEqual(["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::444455556666:policy/own"]);
    expect([...key.tags]).toEqual([["Projekt", "größer + schöner"]]);
    expect(key.sourceIdentity).toBe("ann");
  });
});

test("an answer tells the packed size where something was packed", async () => {
  const input = { RoleArn: ROLE_ARN, RoleSessionName: "session" };
  const plain = await clientOf(sts, sts.root).send(new AssumeRoleCommand(input));
  expect(plain.PackedPolicySize).toBeUndefined();
  const tagged = await clientOf(sts, sts.root).send(
    new AssumeRoleCommand({ ...input, Tags: [{ Key: "a", Value: "b" }] }),
  );
  expect(tagged.PackedPolicySize).toBeWithin(1, 100);
});

/** 50 tags of random values, which do not compress. */
function manyTags() {
  return Array.from({ length: 50 }, (_, index) => ({ Key: `key${index}`, Value: randomBytes(128).toString("hex") }));
}
