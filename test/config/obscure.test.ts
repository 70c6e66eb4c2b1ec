import { expect, test } from "bun:test";
import { obscureConfig } from "../../src/cli/commands/config/show.ts";

test("elhaz's keys are hidden at any depth, and the others stay", () => {
  expect(
    obscureConfig({
      AssumeRole: { RoleArn: "a", PolicyArns: ["b"], ExternalId: "c", SerialNumber: "d", TokenCode: "e", Policy: "p" },
      STS: { aws_secret_access_key: "f", region_name: "r" },
      Session: { aws_access_key_id: "g", aws_session_token: "h", aws_account_id: "i", profile_name: "dev" },
      MFA: { command: ["ykman"] },
      list: [{ Arn: "j", Key: "k" }],
    }),
  ).toEqual({
    AssumeRole: {
      RoleArn: "***",
      PolicyArns: "***",
      ExternalId: "***",
      SerialNumber: "***",
      TokenCode: "***",
      Policy: "p",
    },
    STS: { aws_secret_access_key: "***", region_name: "r" },
    Session: { aws_access_key_id: "***", aws_session_token: "***", aws_account_id: "***", profile_name: "dev" },
    MFA: { command: ["ykman"] },
    list: [{ Arn: "***", Key: "k" }],
  });
});
