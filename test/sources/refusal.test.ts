import { describe, expect, test } from "bun:test";
import { STSServiceException } from "@aws-sdk/client-sts";
import { type ErrorName, KeyholeError } from "../../src/errors.ts";
import { Unanswered } from "../../src/sources/sts/failure.ts";
import {
  explainFailure,
  isChainingRefusal,
  isStaleSource,
  type RefusalContext,
} from "../../src/sources/sts/refusal.ts";
import { ROLE } from "./fixture.ts";

const context: RefusalContext = {
  name: "demo",
  roleArn: ROLE,
  region: "eu-south-2",
  renewal: undefined,
  server: "STS",
  secrets: ["canary-secret"],
  sent: { mfa: "code", hasExternalId: true, profile: undefined },
};

function refused(code: string, message = "no", status = 403): STSServiceException {
  return new STSServiceException({ name: code, message, $fault: "client", $metadata: { httpStatusCode: status } });
}

describe("STS's refusal", () => {
  const cases: { code: string; message?: string; status?: number; kind: ErrorName; hint: string }[] = [
    { code: "AccessDenied", kind: "aws-refused", hint: "aws iam get-role --role-name demo" },
    {
      code: "AccessDenied",
      message: "not authorized to perform: sts:TagSession on",
      kind: "aws-refused",
      hint: "allow sts:TagSession",
    },
    {
      code: "AccessDenied",
      message: "not authorized to perform: sts:SetSourceIdentity on",
      kind: "aws-refused",
      hint: "allow sts:SetSourceIdentity",
    },
    { code: "AccessDenied", message: "MultiFactorAuthentication failed", kind: "person-needed", hint: "MFA.command" },
    { code: "ExpiredToken", kind: "person-needed", hint: "keyhole daemon add -n demo" },
    { code: "ExpiredTokenException", status: 400, kind: "person-needed", hint: "keyhole daemon add -n demo" },
    { code: "InvalidClientTokenId", kind: "aws-refused", hint: "eu-south-2 is enabled" },
    { code: "UnrecognizedClientException", kind: "aws-refused", hint: "aws sts get-caller-identity" },
    { code: "RegionDisabledException", kind: "aws-refused", hint: "STS.region_name" },
    { code: "PackedPolicyTooLargeException", status: 400, kind: "aws-refused", hint: "shorten" },
    { code: "MalformedPolicyDocumentException", status: 400, kind: "aws-refused", hint: "AssumeRole.Policy" },
    { code: "SignatureDoesNotMatch", kind: "aws-refused", hint: "date -u" },
    {
      code: "ValidationError",
      message: "DurationSeconds exceeds the MaxSessionDuration",
      status: 400,
      kind: "aws-refused",
      hint: "--role-name demo --max-session-duration",
    },
    {
      code: "ValidationError",
      message: "1 validation error",
      status: 400,
      kind: "aws-refused",
      hint: "keyhole config update -n demo",
    },
    { code: "Throttling", status: 400, kind: "throttled", hint: "try again" },
    { code: "ThrottlingException", status: 429, kind: "throttled", hint: "try again" },
    { code: "SlowDown", status: 503, kind: "throttled", hint: "try again" },
    { code: "ServiceUnavailable", status: 503, kind: "network", hint: "at AWS's end" },
  ];
  test.each(cases)("$code $message: $kind", ({ code, message, status, kind, hint }) => {
    const explained = explainFailure(refused(code, message, status), context);
    expect(explained.kind).toBe(kind);
    expect(explained.message).toBe(`${code}: ${message ?? "no"}`);
    expect(explained.hint).toContain(hint);
  });

  test("of an expired source names the command that renews it", () => {
    const renewal = "aws sso login --profile p";
    expect(explainFailure(refused("ExpiredToken"), { ...context, renewal }).hint).toBe(renewal);
  });

  test("does not repeat a secret", () => {
    expect(explainFailure(refused("AccessDenied", "a canary-secret b"), context).message).toBe("AccessDenied: a *** b");
    expect(explainFailure(refused("canary-secret"), context).message).toBe("***: no");
    // Ceph RGW gives no reason, and the SDK says so.
    expect(explainFailure(refused("AccessDenied", "UnknownError"), context).message).toBe("AccessDenied");
  });
});

describe("a failure without STS's word", () => {
  test.each([
    { error: new Unanswered("ECONNREFUSED"), kind: "network", what: "ECONNREFUSED" },
    {
      error: Object.assign(new Error("x"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
      kind: "network",
      what: "certificate",
    },
    { error: Object.assign(new Error("canary"), { name: "AbortError" }), kind: "network", what: "given up" },
    { error: new SyntaxError("canary"), kind: "network", what: "not of STS" },
    { error: "canary", kind: "network", what: "not of STS" },
    { error: new Error("Invalid Configuration: FIPS and custom endpoint"), kind: "invalid-config", what: "FIPS" },
    { error: new Error('Region not accepted: region="a/b"'), kind: "invalid-config", what: "a/b" },
    { error: refused("UnknownError", "canary", 302), kind: "network", what: "not of STS" },
  ] as const)("is of kind $kind: $what", ({ error, kind, what }) => {
    const explained = explainFailure(error, context);
    expect(explained.kind).toBe(kind);
    expect(explained.message).toContain(what);
    expect(explained.message).not.toContain("canary");
  });

  test("that is told already stays as it is", () => {
    const told = new KeyholeError("person-needed", "told");
    expect(explainFailure(told, context)).toBe(told);
  });
});

test.each([
  ["ExpiredToken", true],
  ["InvalidClientTokenId", true],
  ["UnrecognizedClientException", true],
  ["AccessDenied", false],
])("%s makes the source stale: %p", (code, stale) => {
  expect(isStaleSource(refused(code))).toBe(stale);
});

test.each([
  ["The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining", true],
  ["The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", false],
])("%s: chaining %p", (message, chaining) => {
  expect(isChainingRefusal(refused("ValidationError", message, 400))).toBe(chaining);
});
