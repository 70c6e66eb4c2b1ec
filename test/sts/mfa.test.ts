import { type AssumeRoleCommandInput, GetSessionTokenCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { assume, clientOf, outcomeOf, ROLE_ARN } from "./sdk.ts";
import { startSts } from "./server.ts";

const DEVICE = { serialNumber: "arn:aws:iam::111122223333:mfa/developer", code: "123456" };
const sts = startSts({ mfa: DEVICE });
afterAll(() => sts.stop());
beforeEach(() => sts.reset());

const denied = { code: "AccessDenied", status: 403 };

describe("MFA", () => {
  const given = { SerialNumber: DEVICE.serialNumber, TokenCode: DEVICE.code };

  const wrong: Partial<AssumeRoleCommandInput>[] = [
    { ...given, TokenCode: "654321" },
    { ...given, SerialNumber: "arn:aws:iam::111122223333:mfa/other" },
    { SerialNumber: DEVICE.serialNumber },
    { TokenCode: DEVICE.code },
  ];
  test.each(wrong)("refuses %j", async (input) => {
    expect(await outcomeOf(assume(sts, input))).toEqual({
      ...denied,
      message: "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
    });
  });

  test("takes a code once, if it is told so", async () => {
    sts.mfa = { ...DEVICE, code: "777777", once: true };
    const input = { ...given, TokenCode: "777777" };
    expect(await outcomeOf(assume(sts, input))).toMatchObject({ code: "ok" });
    expect(await outcomeOf(assume(sts, input))).toMatchObject(denied);
  });

  test("of a session token counts for the roles it assumes", async () => {
    sts.roles.set(ROLE_ARN, { requireMfa: true });
    const { Credentials } = await clientOf(sts, sts.root).send(new GetSessionTokenCommand(given));
    const session = sts.issued.get(Credentials!.AccessKeyId!);
    expect(await outcomeOf(assume(sts, {}, session))).toMatchObject({ code: "ok" });
  });
});
