import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { compactPolicy, denySession, presetNames, resolvePolicy } from "../../src/grants/policies.ts";
import { thrownBy } from "../thrown.ts";

const ROLE = "arn:aws:iam::123456789012:role/agent";

function noFile(): string {
  throw Object.assign(new Error("secret in a message"), { code: "ENOENT" });
}

const policyOf = (name: string) => JSON.parse(resolvePolicy(name, ROLE, noFile).policy ?? "{}") as Policy;

interface Policy {
  readonly Version: string;
  readonly Statement: readonly {
    readonly Effect: "Allow" | "Deny";
    readonly Action?: string | readonly string[];
    readonly NotAction?: string;
    readonly Condition?: unknown;
  }[];
}

test.each([
  ["arn:aws:iam::123456789012:role/agent", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
  ["arn:aws-cn:iam::123456789012:role/agent", "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"],
  ["arn:aws-us-gov:iam::123456789012:role/a/b", "arn:aws-us-gov:iam::aws:policy/ReadOnlyAccess"],
])("read-only for %s is AWS's policy of that partition", (role, arn) => {
  expect(resolvePolicy("read-only", role, noFile)).toEqual({ policy: undefined, policyArns: [arn] });
});

/** What IAM would say of an action by these statements alone; resources and conditions are not looked at. */
function isAllowed(action: string): boolean {
  const matches = (pattern: string) => new RegExp(`^${pattern.replaceAll("*", ".*")}$`, "i").test(action);
  const applying = policyOf("no-escalation").Statement.filter(({ Action, NotAction }) =>
    NotAction === undefined ? [Action ?? []].flat().some(matches) : !matches(NotAction),
  );
  return applying.length > 0 && applying.every(({ Effect }) => Effect === "Allow");
}

describe("no-escalation", () => {
  test.each(
    [
      ["s3:PutObject", "ec2:RunInstances", "lambda:CreateFunction", "iam:GetRole", "iam:ListRoles"],
      ["iam:SimulatePrincipalPolicy", "sts:GetCallerIdentity", "sts:DecodeAuthorizationMessage"],
    ].flat(),
  )("allows %s", (action) => {
    expect(isAllowed(action)).toBeTrue();
  });

  test.each(
    [
      ["iam:PassRole", "iam:CreateUser", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"],
      ["iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:AddUserToGroup", "iam:SetDefaultPolicyVersion"],
      ["iam:SomethingThatAwsWillAdd", "sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoot"],
      ["sts:GetFederationToken", "sts:GetSessionToken", "sts:GetWebIdentityToken", "organizations:LeaveOrganization"],
      ["account:PutAlternateContact", "sso:CreateAccountAssignment", "identitystore:CreateUser"],
    ].flat(),
  )("does not allow %s", (action) => {
    expect(isAllowed(action)).toBeFalse();
  });

  test("denies in so many words what a policy of a resource could allow", () => {
    const denied = policyOf("no-escalation").Statement.filter(({ Effect }) => Effect === "Deny");
    expect(denied.flatMap(({ Action }) => Action)).toContain("sts:Assume*");
  });

  test("leaves half of STS's 2,048 characters", () => {
    expect(resolvePolicy("no-escalation", ROLE, noFile).policy?.length).toBeLessThan(1024);
  });
});

describe("pin-ip", () => {
  test("denies everything from elsewhere, where the request has no address too, but not to services", () => {
    const { Statement } = policyOf("pin-ip=203.0.113.0/24,2001:db8::/32");
    expect(Statement.map(({ Effect }) => Effect)).toEqual(["Allow", "Deny"]);
    expect(Statement[1]!.Condition).toEqual({
      NotIpAddress: { "aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"] },
      BoolIfExists: { "aws:ViaAWSService": "false" },
    });
  });

  test.each(["203.0.113.7", "203.0.113.7/32", "0.0.0.0/0", "::1/128", "2001:db8::/0", "::ffff:192.0.2.1"])(
    "%s is a network",
    (network) => {
      expect(resolvePolicy(`pin-ip=${network}`, ROLE, noFile).policy).toContain(`"${network}"`);
    },
  );

  test.each(
    [
      ["pin-ip", "pin-ip=", "pin-ip=203.0.113.0/33", "pin-ip=203.0.113.256", "pin-ip=203.0.113.0/-1", "pin-ip=1.2.3"],
      ["pin-ip=203.0.113.0/24,", "pin-ip=2001:db8::/129", "pin-ip=::1%lo", "pin-ip=example.com", "pin-ip=1.2.3.4/08"],
      ["pin-ip=203.0.113.0/24/24", "pin-ip= 203.0.113.0", 'pin-ip=1.2.3.4"', "pin-ip=203.0.113.0/"],
    ].flat(),
  )("%j is refused without being repeated", (name) => {
    const error = thrownBy(() => resolvePolicy(name, ROLE, noFile));
    expect([error.kind, error.message]).toEqual([
      "usage",
      "pin-ip wants networks, like pin-ip=203.0.113.0/24,2001:db8::/32",
    ]);
  });
});

describe("a file", () => {
  test("is a policy without its white space", () => {
    const text = '\uFEFF{\n  "Version": "2012-10-17",\t"Statement": [ ]\r\n}\n';
    const read: string[] = [];
    const choice = resolvePolicy("./read-only", ROLE, (path) => {
      read.push(path);
      return text;
    });
    expect(choice).toEqual({ policy: '{"Version":"2012-10-17","Statement":[]}', policyArns: [] });
    expect(read).toEqual(["./read-only"]);
  });

  test("that cannot be read is refused with the presets, and without its path or what the system said", () => {
    const error = thrownBy(() => resolvePolicy("readonly", ROLE, noFile));
    expect([error.kind, error.message]).toEqual([
      "usage",
      "--policy is neither a preset (read-only, no-escalation, pin-ip) nor a file that can be read (ENOENT)",
    ]);
  });

  test.each(["", "[]", "null", '"x"', "{", "{'a': 1}", '{"SECRET": }'])("%j is no policy", (text) => {
    const error = thrownBy(() => resolvePolicy("p.json", ROLE, () => text));
    expect([error.kind, error.message]).toEqual(["usage", "the policy is not a JSON object"]);
  });

  test("says the same when its white space is gone, and has none outside of its strings", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
        fc.constantFrom(0, 1, "\t"),
        (value, space) => {
          const text = JSON.stringify(value, undefined, space);
          expect(compactPolicy(text)).toBe(JSON.stringify(value));
        },
      ),
    );
  });

  test("keeps escapes, and keys that stand twice, for STS to judge", () => {
    expect(compactPolicy(String.raw`{ "a": "\u4e2d", "b \" c": 1, "a": 2 }`)).toBe(
      String.raw`{"a":"\u4e2d","b \" c":1,"a":2}`,
    );
  });
});

test("every preset has a name that resolves", () => {
  for (const name of presetNames) {
    const { policy, policyArns } = resolvePolicy(name === "pin-ip" ? "pin-ip=192.0.2.1" : name, ROLE, noFile);
    expect([policy ?? "", ...policyArns].join("")).not.toBe("");
  }
});

const GRANT = { name: "ci", sessionName: "keyhole-ci-0a1b2c3d" };
const NOW = Date.UTC(2026, 0, 1);

test("the policy denies everything to the grant's session, whatever role it is of", () => {
  const { document, note } = denySession(GRANT, "arn:aws:iam::123456789012:role/agent", NOW);
  expect(JSON.parse(document)).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Deny",
        Action: "*",
        Resource: "*",
        Condition: { StringLike: { "aws:userid": "*:keyhole-ci-0a1b2c3d" } },
      },
    ],
  });
  expect(note).toBeUndefined();
});

test.each([
  ["arn:aws:iam::123456789012:role/agent", "agent"],
  ["arn:aws:iam::123456789012:role/ci/team a/deploy", "deploy"],
  ["arn:aws-us-gov:iam::123456789012:role/service-role/x+y@z", "x+y@z"],
  ["arn:aws:iam:::role/ceph", "ceph"],
])("the command for %s is about the role %s", (arn, role) => {
  const { command } = denySession(GRANT, arn, NOW);
  // A shell reads back the words that were meant.
  const { stdout } = Bun.spawnSync(["sh", "-c", command.replace(/^aws /, String.raw`printf '%s\n' `)]);
  const [service, verb, roleOption, roleName, nameOption, name, documentOption, document] = stdout
    .toString()
    .split("\n");
  expect([service, verb, roleOption, roleName, nameOption, name, documentOption]).toEqual(
    [
      ["iam", "put-role-policy", "--role-name", role],
      ["--policy-name", "keyhole-deny-ci", "--policy-document"],
    ].flat(),
  );
  expect(JSON.parse(document!)).toEqual(JSON.parse(denySession(GRANT, arn, NOW).document));
});

test("a role that nobody can edit is said to be one", () => {
  const arn = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_0";
  expect(denySession(GRANT, arn, NOW).note).toStartWith("this role is managed by AWS and cannot be edited");
});

test("of an identity that is handed on, the whole session is denied, and of a user what was issued until now", () => {
  const session = denySession(
    { name: "ci", sessionName: "ann" },
    "arn:aws:sts::123456789012:assumed-role/Dev/ann",
    NOW,
  );
  expect(JSON.parse(session.document)).toMatchObject({
    Statement: [{ Effect: "Deny", Condition: { StringLike: { "aws:userid": "*:ann" } } }],
  });
  expect(session.command).toStartWith("aws iam put-role-policy --role-name Dev ");
  const user = denySession({ name: "ci", sessionName: "" }, "arn:aws:iam::123456789012:user/team/ann", NOW);
  expect(JSON.parse(user.document)).toMatchObject({
    Statement: [{ Effect: "Deny", Condition: { DateLessThan: { "aws:TokenIssueTime": "2026-01-01T00:00:00Z" } } }],
  });
  expect(user.command).toStartWith("aws iam put-user-policy --user-name ann ");
  const managed = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Dev_0/ann";
  expect(denySession({ name: "ci", sessionName: "ann" }, managed, NOW).note).toContain("cannot be edited");
});

test.each(["", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/", "arn:aws:iam::1:role/a/"])(
  "%j is neither a role nor a user",
  (arn) => {
    expect(thrownBy(() => denySession(GRANT, arn, NOW)).kind).toBe("usage");
  },
);
