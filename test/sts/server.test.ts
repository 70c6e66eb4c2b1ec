import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { assume, outcomeOf, ROLE_ARN, whoami } from "./sdk.ts";
import { startSts } from "./server.ts";
import { send } from "./signed.ts";

const sts = startSts();
afterAll(() => sts.stop());
beforeEach(() => sts.reset());

describe("every call is written down", () => {
  test("with who called, what for, and what came of it", async () => {
    const key = await assume(sts, { ExternalId: "tenant" });
    await whoami(sts, key);
    await outcomeOf(assume(sts, { DurationSeconds: 1 }));
    expect(sts.calls).toHaveLength(3);
    expect(sts.calls[0]).toMatchObject({
      action: "AssumeRole",
      roleArn: ROLE_ARN,
      accessKeyId: sts.root.accessKeyId,
      arn: "arn:aws:iam::111122223333:user/developer",
      region: "eu-west-1",
      outcome: "ok",
      issuedKeyId: key.accessKeyId,
    });
    expect(sts.calls[0]?.parameters).toMatchObject({ RoleSessionName: "session", ExternalId: "tenant" });
    expect(sts.calls[0]?.userAgent).toContain("aws-sdk-js");
    expect(sts.calls[0]?.at).toBeWithin(Date.now() - 60_000, Date.now() + 1);
    expect(sts.calls[1]).toMatchObject({ action: "GetCallerIdentity", accessKeyId: key.accessKeyId, arn: key.arn });
    expect(sts.calls[2]).toMatchObject({ outcome: "ValidationError" });
  });

  test("without secrets", async () => {
    const key = await assume(sts);
    await outcomeOf(assume(sts, { SerialNumber: "GAHT12345678", TokenCode: "987654" }, key));
    const record = JSON.stringify(sts.calls);
    for (const secret of ["987654", key.secretAccessKey, key.sessionToken!, sts.root.secretAccessKey]) {
      expect(record).not.toContain(secret);
    }
  });

  test("and counted by action, role, key and outcome", async () => {
    const key = await assume(sts);
    await assume(sts, { RoleArn: `${ROLE_ARN}2` });
    await whoami(sts, key);
    expect(sts.count()).toBe(3);
    expect(sts.count("AssumeRole")).toBe(2);
    expect(sts.count("AssumeRole", { roleArn: ROLE_ARN })).toBe(1);
    expect(sts.count("GetCallerIdentity", { accessKeyId: key.accessKeyId, outcome: "ok" })).toBe(1);
    expect(sts.count("GetSessionToken")).toBe(0);
  });
});

test("reset forgets record, faults, roles and skew, and keeps what was issued", async () => {
  const key = await assume(sts);
  sts.faults.add({ fail: "Throttling" });
  sts.roles.set(ROLE_ARN, { deny: true });
  sts.clockOffset = 3_600_000;
  sts.reset();
  expect(sts.calls).toEqual([]);
  expect(await whoami(sts, key)).toBe(key.arn);
  expect(await outcomeOf(assume(sts))).toMatchObject({ code: "ok" });
});

describe("a skewed clock", () => {
  test("moves the Date header, the check of dates and the expirations", async () => {
    const offset = 3_600_000;
    sts.clockOffset = offset;
    expect(await send(sts, Date.now())).toMatchObject({ status: 403, code: "SignatureDoesNotMatch" });
    const response = await fetch(sts.url);
    const ahead = Date.parse(response.headers.get("date")!) - Date.now();
    expect(ahead).toBeWithin(offset - 2000, offset + 1);
    const body = `Action=AssumeRole&Version=2011-06-15&RoleArn=${ROLE_ARN}&RoleSessionName=session&DurationSeconds=900`;
    const { text } = await send(sts, Date.now() + offset, { body });
    const expiration = Date.parse(/<Expiration>(.*)<\/Expiration>/.exec(text)![1]!);
    expect(expiration - Date.now()).toBeWithin(offset + 890_000, offset + 900_001);
  });
});

describe("an answer", () => {
  test("has AWS's headers and namespace", async () => {
    const response = await fetch(sts.url);
    expect(response.status).toBe(400);
    const requestId = response.headers.get("x-amzn-requestid")!;
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get("content-type")).toBe("text/xml");
    const text = await response.text();
    expect(text).toStartWith('<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">');
    expect(text).toContain(`<RequestId>${requestId}</RequestId>`);
  });

  test.each([
    ["", "MissingAction"],
    ["Action=Nonsense&Version=2011-06-15", "InvalidAction"],
    ["Action=toString&Version=2011-06-15", "InvalidAction"],
    ["Action=GetCallerIdentity&Version=2000-01-01", "InvalidAction"],
    ["Action=GetCallerIdentity", "InvalidAction"],
  ])("to %p is %s", async (body, code) => {
    expect(await send(sts, Date.now(), { body })).toMatchObject({ status: 400, code });
  });

  test("to any other path is 404", async () => {
    expect((await fetch(`${sts.url}/elsewhere`)).status).toBe(404);
  });
});

test("a suspended server refuses connections and comes back as it was", async () => {
  const key = await assume(sts);
  await sts.suspend();
  expect(await outcomeOf(whoami(sts, key))).not.toMatchObject({ code: "ok" });
  sts.resume();
  expect(await whoami(sts, key)).toBe(key.arn);
});

test("two servers have nothing in common", async () => {
  const other = startSts();
  expect(other.root.accessKeyId).not.toBe(sts.root.accessKeyId);
  expect(await outcomeOf(whoami(other, sts.root))).toMatchObject({ code: "InvalidClientTokenId" });
  await other.stop();
});

test("a server stops with calls hanging", async () => {
  const other = startSts();
  other.faults.add({ hang: true });
  const hanging = outcomeOf(whoami(other));
  await other.until(() => other.count() === 1);
  await other.stop();
  expect(await hanging).not.toMatchObject({ code: "ok" });
});
