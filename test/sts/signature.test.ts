import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import type { Claim } from "./claim.ts";
import type { Key } from "./issuer.ts";
import { assume } from "./sdk.ts";
import { startSts } from "./server.ts";
import { type Draft, send, WHOAMI } from "./signed.ts";
import { signatureOf } from "./signature.ts";

const START = Date.UTC(2026, 0, 15, 12, 0, 0);
let now = START;
const sts = startSts({ now: () => now });
afterAll(() => sts.stop());
beforeEach(() => {
  now = START;
  sts.reset();
});

/** AWS's published examples: the IAM User Guide's ListUsers, and the "Signature Version 4 test suite". */
describe("a published example has the published signature", () => {
  const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  const suite = { service: "service", host: "example.amazonaws.com" };
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const examples = [
    {
      name: "ListUsers",
      signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
      service: "iam",
      host: "iam.amazonaws.com",
      query: "Action=ListUsers&Version=2010-05-08",
      headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
    },
    { name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ...suite },
    {
      name: "get-vanilla-query-order-key-case",
      signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
      query: "Param2=value2&Param1=value1",
      ...suite,
    },
    {
      name: "get-header-value-trim",
      signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
      headers: { "my-header1": "value1", "my-header2": '"a   b   c"' },
      ...suite,
    },
    {
      name: "post-vanilla",
      signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
      method: "POST",
      ...suite,
    },
    {
      name: "post-x-www-form-urlencoded",
      signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
      method: "POST",
      headers: form,
      body: "Param1=value1",
      ...suite,
    },
  ];
  test.each(examples)("$name", ({ signature, service, host, ...rest }) => {
    const {
      method = "GET",
      query = "",
      headers = {},
      body = "",
    } = rest as Partial<Record<string, string>> & {
      headers?: Record<string, string>;
    };
    const all = { ...headers, host, "x-amz-date": "20150830T123600Z" };
    const claim: Claim = {
      accessKeyId: "AKIDEXAMPLE",
      scope: { date: "20150830", region: "us-east-1", service, end: "aws4_request" },
      signedHeaders: Object.keys(all),
      signature: "",
      date: all["x-amz-date"],
      token: undefined,
      expires: undefined,
    };
    const request = { method, query, headers: new Headers(all), body: Buffer.from(body) };
    expect(signatureOf(request, claim, secret)).toBe(signature);
  });
});

describe("a good signature is accepted", () => {
  test("in a POST", async () => {
    expect(await send(sts, now, {})).toMatchObject({ status: 200, code: "ok" });
  });

  test("in a GET, whatever the order of its parameters", async () => {
    const query = "Version=2011-06-15&Action=GetCallerIdentity";
    expect(await send(sts, now, { method: "GET", query })).toMatchObject({ status: 200, code: "ok" });
  });

  test("with a session token", async () => {
    const { text } = await send(sts, now, { key: issue() });
    expect(text).toContain("assumed-role/deploy/session");
  });

  test.each([-299_000, 299_000])("%d ms away from the server's clock", async (offset) => {
    expect(await send(sts, now, { date: now + offset })).toMatchObject({ code: "ok" });
  });
});

const MISMATCH = { status: 403, code: "SignatureDoesNotMatch" };
const INVALID = { status: 403, code: "InvalidClientTokenId" };
const INCOMPLETE = { status: 400, code: "IncompleteSignature" };

describe("is refused", () => {
  const refusals: { title: string; draft: Partial<Draft>; expected: object; message?: string }[] = [
    { title: "a changed body", draft: { tamper: (r) => (r.body += "&a=b") }, expected: MISMATCH },
    {
      title: "a changed query",
      draft: { method: "GET", query: WHOAMI, tamper: (r) => (r.query += "&a=b") },
      expected: MISMATCH,
    },
    {
      title: "a changed header under the signature",
      draft: { headers: { "content-type": "a" }, tamper: (r) => (r.headers["content-type"] = "b") },
      expected: MISMATCH,
    },
    { title: "another host", draft: { tamper: (r) => (r.headers["host"] = "sts.amazonaws.com") }, expected: MISMATCH },
    {
      title: "a host that is not signed",
      draft: { signedHeaders: ["x-amz-date"] },
      expected: MISMATCH,
      message: "'host' must be a 'SignedHeader' in the AWS Authorization.",
    },
    {
      title: "an x-amz- header that is not signed",
      draft: { tamper: (r) => (r.headers["x-amz-extra"] = "1") },
      expected: MISMATCH,
      message: "'x-amz-extra' must be a 'SignedHeader' in the AWS Authorization.",
    },
    { title: "a wrong secret", draft: { key: { ...sts.root, secretAccessKey: "wrong" } }, expected: MISMATCH },
    { title: "an unknown key", draft: { key: { ...sts.root, accessKeyId: "AKIAUNKNOWN" } }, expected: INVALID },
    {
      title: "a session token beside a long-term key",
      draft: { headers: { "x-amz-security-token": "token" } },
      expected: INVALID,
    },
    {
      title: "the wrong service",
      draft: { service: "s3" },
      expected: MISMATCH,
      message: "Credential should be scoped to correct service: 'sts'.",
    },
    {
      title: "no region",
      draft: { region: "nowhere" },
      expected: MISMATCH,
      message: "Credential should be scoped to a valid region.",
    },
    { title: "another terminator", draft: { end: "aws5_request" }, expected: MISMATCH },
    { title: "a scope of another day", draft: { scopeDate: "20260114" }, expected: MISMATCH },
    {
      title: "a date more than five minutes ago",
      draft: { date: START - 301_000 },
      expected: MISMATCH,
      message: "Signature expired: 20260115T115459Z is now earlier than 20260115T115500Z (20260115T120000Z - 5 min.)",
    },
    {
      title: "a date more than five minutes ahead",
      draft: { date: START + 301_000 },
      expected: MISMATCH,
      message:
        "Signature not yet current: 20260115T120501Z is still later than 20260115T120500Z (20260115T120000Z + 5 min.)",
    },
    {
      title: "no signature at all",
      draft: { tamper: (r) => delete r.headers["authorization"] },
      expected: { status: 403, code: "MissingAuthenticationToken" },
      message: "Request is missing Authentication Token",
    },
    {
      title: "half an Authorization header",
      draft: { tamper: (r) => (r.headers["authorization"] = "AWS4-HMAC-SHA256 Credential=a/b/c/d/e") },
      expected: INCOMPLETE,
    },
    {
      title: "another algorithm",
      draft: { tamper: (r) => (r.headers["authorization"] = "Bearer token") },
      expected: INCOMPLETE,
    },
    { title: "no date", draft: { tamper: (r) => delete r.headers["x-amz-date"] }, expected: INCOMPLETE },
  ];
  test.each(refusals)("$title", async ({ draft, expected, message }) => {
    const answer = await send(sts, now, draft);
    expect(answer).toMatchObject(expected);
    if (message !== undefined) expect(answer.message).toBe(message);
  });

  test.each([
    ["a temporary key without its token", undefined],
    ["a temporary key with another one's token", "other"],
  ])("%s", async (_title, token) => {
    const key = { ...issue(), sessionToken: token === undefined ? undefined : issue().sessionToken };
    expect(await send(sts, now, { key })).toMatchObject(INVALID);
  });

  test("a temporary key after its end, and not a second before", async () => {
    const key = issue(900);
    now = key.expiresAt! - 1000;
    expect(await send(sts, now, { key })).toMatchObject({ code: "ok" });
    now = key.expiresAt!;
    expect(await send(sts, now, { key })).toMatchObject({
      status: 403,
      code: "ExpiredToken",
      message: "The security token included in the request is expired",
    });
  });

  test("a key that was taken back", async () => {
    const key = issue();
    sts.issued.delete(key.accessKeyId);
    expect(await send(sts, now, { key })).toMatchObject(INVALID);
  });

  test("every region but the one the server is in", async () => {
    const regional = startSts({ region: "us-west-2" });
    expect(await assume(regional).catch((error: Error) => error.name)).toBe("SignatureDoesNotMatch");
    await regional.stop();
  });
});

/** A key as AssumeRole would issue it. */
function issue(lifetimeSeconds = 3600): Key {
  const key: Key = {
    ...sts.root,
    accessKeyId: `ASIA${sts.issued.size}`,
    sessionToken: `token ${sts.issued.size}`,
    arn: "arn:aws:sts::444455556666:assumed-role/deploy/session",
    expiresAt: now + lifetimeSeconds * 1000,
  };
  sts.issued.set(key.accessKeyId, key);
  return key;
}
