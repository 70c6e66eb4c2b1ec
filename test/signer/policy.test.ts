import { describe, expect, test } from "bun:test";
import { explainPattern, explainResource, type Judged, judge, matches, type Policy } from "../../src/signer/policy.ts";
import { serviceOf } from "../../src/signer/table.ts";

const NONE: Policy = { allow: [], deny: [], confirm: [], regions: [], resources: [] };

function named(title: string, resources?: readonly string[]): Judged {
  const [service, name] = title.split(":") as [string, string];
  return { operation: serviceOf(service)!.operations.get(name)!, labels: {}, resources };
}

const verdictOf = (policy: Partial<Policy>, title: string, resources?: readonly string[]) => {
  const verdict = judge({ ...NONE, ...policy }, [named(title, resources)], "eu-west-1");
  return verdict.allowed ? (verdict.confirm ? "confirm" : "allowed") : verdict.by;
};

describe("a policy", () => {
  test.each<[Partial<Policy>, string, string]>([
    [{}, "s3:GetObject", "allowed"],
    [{}, "sts:GetCallerIdentity", "allowed"],
    [{}, "sts:AssumeRole", "hands out credentials"],
    [{ allow: ["*:*"] }, "sts:AssumeRole", "hands out credentials"],
    [{ allow: ["sts:*"] }, "sts:AssumeRole", "hands out credentials"],
    [{ allow: ["sts:assumerole"] }, "sts:AssumeRole", "allowed"],
    [{ allow: ["sts:AssumeRole"], deny: ["sts:*"] }, "sts:AssumeRole", "deny"],
    [{ allow: ["s3:Get*"] }, "s3:GetObject", "allowed"],
    [{ allow: ["S3:get*"] }, "s3:GetObject", "allowed"],
    [{ allow: ["s3:Get*"] }, "s3:PutObject", "allow"],
    [{ allow: ["s3:Get*"], deny: ["*:*Acl"] }, "s3:GetObjectAcl", "deny"],
    [{ allow: ["s3:Get*"] }, "s3:HeadObject", "allowed"],
    [{ allow: ["s3:HeadObject"] }, "s3:HeadObject", "allowed"],
    [{ allow: ["s3:HeadObject"] }, "s3:GetObject", "allow"],
    [{ allow: ["s3:List*"] }, "s3:HeadBucket", "allowed"],
    [{ allow: ["s3:ListObjects"] }, "s3:HeadBucket", "allowed"],
    [{ deny: ["s3:ListObjects"] }, "s3:HeadBucket", "deny"],
    [{ allow: ["s3:PutObject"] }, "s3:HeadObject", "allow"],
    [{ deny: ["s3:GetObject"] }, "s3:HeadObject", "deny"],
    [{ confirm: ["s3:Get*"] }, "s3:HeadObject", "confirm"],
    [{ confirm: ["*:Delete*"] }, "s3:DeleteObject", "confirm"],
    [{ confirm: ["*:Delete*"] }, "s3:GetObject", "allowed"],
    [{ confirm: ["*:*"], allow: ["s3:Get*"] }, "s3:PutObject", "allow"],
    [{ regions: ["eu-west-1"] }, "s3:GetObject", "allowed"],
    [{ regions: ["us-east-1"] }, "s3:GetObject", "region"],
  ])("%j: %s is %s", (policy, title, outcome) => {
    expect(verdictOf(policy, title)).toBe(outcome);
  });

  test.each<[readonly string[], string, readonly string[] | undefined, string]>([
    [["s3:b/*"], "s3:GetObject", ["b/k/l"], "allowed"],
    [["s3:b/*"], "s3:GetObject", ["other/k"], "resource"],
    [["s3:b/*"], "s3:GetBucketAcl", ["b"], "resource"],
    [["s3:b/*"], "s3:HeadBucket", ["b"], "allowed"],
    [["s3:b"], "s3:HeadBucket", ["b"], "allowed"],
    [["s3:b/k*"], "s3:HeadBucket", ["b"], "resource"],
    [["s3:b/*"], "s3:CopyObject", ["b/k", "other/k"], "resource"],
    [["s3:b/*"], "s3:ListBuckets", undefined, "resource"],
    [["s3:B/*"], "s3:GetObject", ["b/k"], "resource"],
    [["s3:b/*", "s3:c/*"], "s3:CopyObject", ["b/k", "c/k"], "allowed"],
    [["s3:b/*"], "dynamodb:PutItem", ["t"], "allowed"],
    [["dynamodb:t"], "dynamodb:PutItem", ["tt"], "resource"],
  ])("resources %j: %s of %j is %s", (resources, title, found, outcome) => {
    expect(verdictOf({ resources }, title, found)).toBe(outcome);
  });

  test("of what cannot be told apart all must be allowed, and one that is denied is enough", () => {
    const both = [named("s3:GetObjectAcl"), named("s3:GetObjectTagging")];
    expect(judge({ ...NONE, allow: ["s3:GetObjectAcl"] }, both, "r").allowed).toBe(false);
    expect(judge({ ...NONE, allow: ["s3:GetObject*"] }, both, "r").allowed).toBe(true);
    expect(judge({ ...NONE, deny: ["s3:GetObjectTagging"] }, both, "r").allowed).toBe(false);
    expect(judge(NONE, [], "r").allowed).toBe(false);
  });

  test("one operation of one API has two names, and either allows it", () => {
    const all = ["rds", "neptune", "docdb"].map((service) => named(`${service}:DescribeDBInstances`));
    expect(judge({ ...NONE, allow: ["rds:Describe*"] }, all, "r").allowed).toBe(true);
    expect(judge({ ...NONE, deny: ["docdb:*"] }, all, "r").allowed).toBe(false);
  });
});

test.each([
  ["s3:Get*", undefined],
  ["*:Delete*", undefined],
  ["S3:getobject", undefined],
  ["s3", "'s3' is not SERVICE:OPERATION, such as s3:Get* or dynamodb:PutItem"],
  ["s3:Get:Object", "'s3:Get:Object' is not SERVICE:OPERATION, such as s3:Get* or dynamodb:PutItem"],
  ["dynamdb:PutItem", "AWS has no service 'dynamdb'; did you mean dynamodb?"],
  ["states:StartExecution", "AWS has no service 'states'; did you mean stepfunctions?"],
  ["s3:GetObjekt", "s3 has no operation 'GetObjekt'; did you mean s3:GetObject?"],
])("the pattern %s: %s", (pattern, problem) => {
  expect(explainPattern(pattern)).toBe(problem);
});

test.each([
  ["s3:bucket/*", true],
  ["dynamodb:t", true],
  ["iam:x", false],
  ["bucket", false],
  ["s3:", false],
])("the resource %s is one: %s", (limit, isOne) => {
  expect(explainResource(limit) === undefined).toBe(isOne);
});

test("a pattern's other characters are themselves", () => {
  expect(matches("s3:a.c*", "s3:abc")).toBe(false);
  expect(matches("s3:a.c*", "s3:a.cd\ne")).toBe(true);
});
