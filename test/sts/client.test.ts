import { AssumeRoleCommand, GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { spawnSts, type StsProcess } from "./client.ts";
import { clientOf, outcomeOf, ROLE_ARN } from "./sdk.ts";

let sts: StsProcess;
beforeAll(async () => {
  sts = await spawnSts({ minDuration: 2, roles: { [`${ROLE_ARN}2`]: { deny: true } } });
});
afterAll(() => sts.stop());
beforeEach(() => sts.control.reset());

function assume(arn = ROLE_ARN) {
  return clientOf(sts, sts).send(
    new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: "session", DurationSeconds: 2 }),
  );
}

test("a server in another process takes its options and tells its key", async () => {
  expect((await clientOf(sts, sts).send(new GetCallerIdentityCommand())).Arn).toBe(sts.arn);
  expect(await outcomeOf(assume())).toMatchObject({ code: "ok" });
  expect(await outcomeOf(assume(`${ROLE_ARN}2`))).toMatchObject({ code: "AccessDenied" });
});

test("its calls can be read, counted and forgotten", async () => {
  const { Credentials } = await assume();
  const [call] = await sts.control.calls("AssumeRole");
  expect(call).toMatchObject({ roleArn: ROLE_ARN, outcome: "ok", issuedKeyId: Credentials!.AccessKeyId });
  expect(await sts.control.count("AssumeRole", { roleArn: ROLE_ARN })).toBe(1);
  expect(await sts.control.count("AssumeRole", { roleArn: "other" })).toBe(0);
  expect(await sts.control.peak()).toBe(1);
  await sts.control.reset();
  expect(await sts.control.count()).toBe(0);
});

test("faults can be set and cleared", async () => {
  await sts.control.addFault({ action: "AssumeRole", fail: "SlowDown" });
  expect(await outcomeOf(assume())).toMatchObject({ code: "SlowDown", status: 503 });
  await sts.control.clearFaults();
  expect(await outcomeOf(assume())).toMatchObject({ code: "ok" });
});

test("the clock can be set", async () => {
  await sts.control.setClock(-3_600_000);
  const outcome = await outcomeOf(assume());
  expect(outcome).toMatchObject({ code: "SignatureDoesNotMatch" });
  expect(outcome.message).toStartWith("Signature not yet current");
});

test("roles and the MFA device can be defined", async () => {
  await sts.control.defineRoles({ [ROLE_ARN]: { requireMfa: true } });
  expect(await outcomeOf(assume())).toMatchObject({ code: "AccessDenied" });
  const serialNumber = "arn:aws:iam::111122223333:mfa/developer";
  await sts.control.setMfa({ serialNumber, code: "123456" });
  const mfa = { SerialNumber: serialNumber, TokenCode: "123456" };
  const command = new AssumeRoleCommand({ RoleArn: ROLE_ARN, RoleSessionName: "session", ...mfa });
  expect(await outcomeOf(clientOf(sts, sts).send(command))).toMatchObject({ code: "ok" });
});

test("a key can be looked up, and its secrets cannot", async () => {
  const { Credentials } = await assume();
  const response = await fetch(`${sts.url}/_control/issued?accessKeyId=${Credentials!.AccessKeyId}`);
  const text = await response.text();
  expect(JSON.parse(text)).toMatchObject({ roleArn: ROLE_ARN, accessKeyId: Credentials!.AccessKeyId });
  expect(text).not.toContain(Credentials!.SecretAccessKey!);
  expect(text).not.toContain(Credentials!.SessionToken!);
});

test("an unknown control is refused with a list of those there are", async () => {
  const response = await fetch(`${sts.url}/_control/nonsense`);
  expect(response.status).toBe(404);
  expect(await response.text()).toContain("POST faults");
});

test("a control that makes no sense is refused", async () => {
  const response = await fetch(`${sts.url}/_control/faults`, { method: "POST", body: "{" });
  expect(response.status).toBe(400);
});
