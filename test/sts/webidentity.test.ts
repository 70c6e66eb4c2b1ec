import { AssumeRoleWithWebIdentityCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { clientOf, outcomeOf, ROLE_ARN, whoami } from "./sdk.ts";
import { startSts } from "./server.ts";

const sts = startSts();
afterAll(() => sts.stop());
beforeEach(() => sts.reset());

const denied = { code: "AccessDenied", status: 403 };

describe("AssumeRoleWithWebIdentity", () => {
  const claims = { iss: "https://issuer.example", sub: "repo:keyhole", aud: "sts.amazonaws.com" };

  test("needs no signature and tells whose token it was", async () => {
    const answer = await exchange(tokenOf(claims));
    expect(answer).toMatchObject({
      SubjectFromWebIdentityToken: "repo:keyhole",
      Provider: "issuer.example",
      Audience: "sts.amazonaws.com",
    });
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

  test("is refused by a role that trusts nobody, or keys alone", async () => {
    for (const role of [{ deny: true }, { trust: ["arn:aws:iam::111122223333:root"] }]) {
      sts.roles.set(ROLE_ARN, role);
      expect(await outcomeOf(exchange(tokenOf(claims)))).toEqual({
        ...denied,
        message: "Not authorized to perform sts:AssumeRoleWithWebIdentity",
      });
    }
  });
});

/** Exchanges a token, as a caller that holds no key at all. */
function exchange(token: string) {
  const command = new AssumeRoleWithWebIdentityCommand({
    RoleArn: ROLE_ARN,
    RoleSessionName: "session",
    WebIdentityToken: token,
  });
  return clientOf(sts, { ...sts.root, accessKeyId: "NONE" }).send(command);
}

/** A JWT with these claims and no signature to speak of. */
function tokenOf(claims: object): string {
  return ["{}", JSON.stringify(claims), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".");
}
