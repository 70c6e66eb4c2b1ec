import type { AssumeRoleCommandInput } from "@aws-sdk/client-sts";
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { assume, outcomeOf, ROLE_ARN } from "./sdk.ts";
import { type RoleDefinition, startSts } from "./server.ts";

const DEVICE = { serialNumber: "arn:aws:iam::111122223333:mfa/developer", code: "123456" };
const sts = startSts({ mfa: DEVICE });
afterAll(() => sts.stop());
beforeEach(() => sts.reset());

const denied = { code: "AccessDenied", status: 403 };

describe("a role that is defined", () => {
  const cases: [role: RoleDefinition, input: Partial<AssumeRoleCommandInput>, code: string][] = [
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
    [{ requireMfa: true }, { SerialNumber: DEVICE.serialNumber, TokenCode: DEVICE.code }, "ok"],
    [{ maxSessionDuration: 7200 }, { DurationSeconds: 7200 }, "ok"],
    [{ maxSessionDuration: 7200 }, { DurationSeconds: 7201 }, "ValidationError"],
  ];
  test.each(cases)("%j answers %j with %s", async (role, input, code) => {
    sts.roles.set(ROLE_ARN, role);
    expect(await outcomeOf(assume(sts, input))).toMatchObject({ code });
  });

  test("refuses in the words of IAM", async () => {
    sts.roles.set(ROLE_ARN, { deny: true });
    expect(await outcomeOf(assume(sts))).toEqual({
      ...denied,
      message: `User: arn:aws:iam::111122223333:user/developer is not authorized to perform: sts:AssumeRole on resource: ${ROLE_ARN}`,
    });
  });

  test("may be the only one", async () => {
    const strict = startSts({ onlyDefinedRoles: true, roles: { [ROLE_ARN]: {} } });
    expect(await outcomeOf(assume(strict))).toMatchObject({ code: "ok" });
    expect(await outcomeOf(assume(strict, { RoleArn: `${ROLE_ARN}2` }))).toMatchObject(denied);
    await strict.stop();
  });
});
