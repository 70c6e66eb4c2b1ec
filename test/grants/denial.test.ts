import { expect, test } from "bun:test";
import { denySession } from "../../src/grants/denial.ts";
import { thrownBy } from "../thrown.ts";

const GRANT = { name: "ci", sessionName: "keyhole-ci-0a1b2c3d" };

test("the policy denies everything to the grant's session, whatever role it is of", () => {
  const { document, note } = denySession(GRANT, "arn:aws:iam::123456789012:role/agent");
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
  const { command } = denySession(GRANT, arn);
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
  expect(JSON.parse(document!)).toEqual(JSON.parse(denySession(GRANT, arn).document));
});

test("a role that nobody can edit is said to be one", () => {
  const arn = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_0";
  expect(denySession(GRANT, arn).note).toStartWith("this role is managed by AWS and cannot be edited");
});

test.each(["", "arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:role/", "arn:aws:iam::1:role/a/"])(
  "%j is no role",
  (arn) => {
    expect(thrownBy(() => denySession(GRANT, arn)).kind).toBe("usage");
  },
);
