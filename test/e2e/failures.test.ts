// What a person is told where credentials are not to be had: exit status, AWS's words, and what to do about this very case.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { type Question, refusal } from "../sts/aws.ts";
import { makeWorld, SSO, type World } from "./awsworld.ts";

const KEYS = "aws_access_key_id = AKIAKEYS000000000000\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+EXAMPLEKEY=\n";
const HOP = "role_arn = arn:aws:iam::123456789012:role/hop\nsource_profile = keys\nregion = eu-west-1\n";
const CONFIG = `[profile empty]\nregion = eu-west-1\n[profile helper]\ncredential_process = HOME/helper\n[profile keys]\nregion = eu-west-1\n${KEYS}[profile hop]\n${HOP}[profile long]\n${HOP}duration_seconds = 7200\n${SSO}`;
const SERIAL = "AssumeRole.SerialNumber=arn:aws:iam::123456789012:mfa/jo";
const WITH_CODE = [SERIAL, "AssumeRole.TokenCode=123456"];

interface Failure {
  readonly title: string;
  /** Beside the role and the profile. */
  readonly set?: readonly string[];
  /** `keys` if absent; null for none. */
  readonly profile?: string | null;
  /** A program of the home. */
  readonly helper?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** AWS's answer to what matches; the rest is answered well. */
  readonly aws?: (question: Question) => Response | undefined | Promise<Response>;
  readonly exit: number;
  readonly error: string;
  readonly hint: string;
}

const denied = (reason: string) => () =>
  refusal(
    "AccessDenied",
    `User: arn:aws:iam::1:user/jo is not authorized to perform: sts:AssumeRole on resource: r${reason}`,
  );
const TRUST =
  "check the role's trust policy, and that the caller may sts:AssumeRole: aws iam get-role --role-name target";

const failures: readonly Failure[] = [
  {
    title: "no source",
    profile: "none",
    exit: 5,
    error: "no source credentials found for config c: there is no profile 'none'",
    hint: "aws configure list-profiles",
  },
  {
    title: "a profile that gives nothing",
    profile: "empty",
    exit: 5,
    error:
      "profile 'empty' gives no credentials: no keys, role, web identity, sign-in or credential_process of its own, no container's " +
      "(AWS_CONTAINER_CREDENTIALS_*), and instance metadata is turned off",
    hint: "aws configure list --profile empty\n",
  },
  {
    title: "nothing anywhere",
    profile: null,
    exit: 5,
    error:
      "no keys or web identity in the environment, nothing in profile 'default', no container's " +
      "(AWS_CONTAINER_CREDENTIALS_*), and instance metadata is turned off",
    hint: "in a shell that has source credentials: keyhole daemon add -n c\n",
  },
  {
    title: "a credential_process that fails",
    profile: "helper",
    helper: "echo starting >&2; echo 'vault is sealed: key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' >&2; exit 3",
    exit: 5,
    error: "the credential_process of profile 'helper' failed with status 3: vault is sealed: key ***",
    hint: "keyhole: hint: aws configure export-credentials --profile helper\n",
  },
  {
    title: "a credential_process that prints something else",
    profile: "helper",
    helper: "echo canary",
    exit: 5,
    error: "the credential_process of profile 'helper' returned invalid JSON",
    hint: "keyhole: hint: aws configure export-credentials --profile helper\n",
  },
  {
    title: "a credential_process that is not there",
    profile: "helper",
    exit: 5,
    error: "the credential_process of profile 'helper' failed with status 127: ",
    hint: "keyhole: hint: aws configure export-credentials --profile helper\n",
  },
  {
    title: "a web identity command that fails",
    profile: null,
    set: ["WebIdentity.command=HOME/helper"],
    helper: "echo 'no token for you' >&2; exit 4",
    exit: 5,
    error: "status 4: no token for you",
    hint: "keyhole config update -n c",
  },
  {
    title: "an MFA command that fails",
    set: [SERIAL, "MFA.command=HOME/helper"],
    helper: "echo 'code 123456 is used up' >&2; exit 5",
    exit: 5,
    error: "MFA.command failed with status 5: code *** is used up",
    hint: "keyhole config update -n c",
  },
  {
    title: "an MFA code that no person is there to give",
    set: [SERIAL],
    exit: 5,
    error: "config c wants the code of arn:aws:iam::123456789012:mfa/jo",
    hint: "keyhole answer ",
  },
  {
    title: "a sign-in that is refused",
    profile: "sso-dev",
    aws: ({ action }) =>
      action === "GetRoleCredentials" ? json(403, "ForbiddenException", { message: "No access" }) : undefined,
    exit: 6,
    error: "profile 'sso-dev': SSO refused account 222222222222, role PowerUser: ForbiddenException: No access",
    hint: "ask for that permission set, or sign in as another: aws sso login --profile sso-dev",
  },
  {
    title: "a sign-in that is over",
    profile: "sso-dev",
    aws: ({ action }) =>
      action === "GetRoleCredentials"
        ? json(401, "UnauthorizedException", { message: "Session token not found or invalid" })
        : undefined,
    exit: 5,
    error: "profile 'sso-dev' has no valid sign-in",
    hint: "aws sso login --profile sso-dev",
  },
  {
    title: "a portal that breaks",
    profile: "sso-dev",
    aws: ({ action }) => (action === "GetRoleCredentials" ? json(503, "ServiceUnavailable", {}) : undefined),
    exit: 7,
    error: "profile 'sso-dev': the sign-in's server answers 503",
    hint: "the fault is at AWS's end: try again in a minute",
  },
  {
    title: "a wrong or used code that stands in the config",
    set: WITH_CODE,
    aws: () => refusal("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."),
    exit: 5,
    error: "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.",
    hint: "a code counts once: set MFA.command, or a fresh AssumeRole.TokenCode: keyhole config update -n c",
  },
  {
    title: "a wrong or used code of a command",
    set: [SERIAL, "MFA.command=echo 123456"],
    aws: () => refusal("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."),
    exit: 5,
    error: "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.",
    hint: "a code counts once: wait 30 s for the next, and see that MFA.command is for this device",
  },
  {
    title: "a trust policy, MFA that is wanted, or an external id",
    aws: denied(""),
    exit: 6,
    error: "AccessDenied: User: arn:aws:iam::1:user/jo is not authorized to perform: sts:AssumeRole on resource: r",
    hint:
      `${TRUST} --query Role.AssumeRolePolicyDocument; if the role asks for MFA: keyhole config update -n c --set ` +
      "AssumeRole.SerialNumber=ARN; if it wants an external id: keyhole config update -n c --set AssumeRole.ExternalId=ID",
  },
  {
    title: "a trust policy, where code and external id were sent",
    set: [...WITH_CODE, "AssumeRole.ExternalId=shared"],
    aws: denied(""),
    exit: 6,
    error: "AccessDenied: User: ",
    hint: `${TRUST} --query Role.AssumeRolePolicyDocument\n`,
  },
  {
    title: "an organization's policy",
    aws: denied(" with an explicit deny in a service control policy"),
    exit: 6,
    error: "with an explicit deny in a service control policy",
    hint: "the organization forbids it: ask who administers its service control policies",
  },
  {
    title: "a duration",
    set: ["AssumeRole.DurationSeconds=7200"],
    aws: () =>
      refusal(
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        400,
      ),
    exit: 6,
    error: "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    hint: "lower AssumeRole.DurationSeconds (keyhole config update -n c), or raise the role's maximum",
  },
  {
    title: "chaining over an hour in a profile",
    profile: "long",
    aws: () =>
      refusal(
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        400,
      ),
    exit: 6,
    error: "profile 'long': ValidationError: The requested DurationSeconds exceeds the 1 hour session limit",
    hint: "lower duration_seconds in profile 'long'",
  },
  {
    title: "a clock that is behind",
    aws: () =>
      refusal(
        "SignatureDoesNotMatch",
        "Signature expired: 20260101T000000Z is now earlier than 20260101T004500Z",
        403,
        3_600_000,
      ),
    exit: 6,
    error: "this machine's clock is 60 min behind AWS's",
    hint: "set it: sudo timedatectl set-ntp true",
  },
  {
    title: "a bad key",
    aws: () => refusal("InvalidClientTokenId", "The security token included in the request is invalid."),
    exit: 6,
    error: "InvalidClientTokenId: The security token included in the request is invalid.",
    hint: "check the source's access key, and that eu-west-1 is enabled in its account",
  },
  {
    title: "throttling",
    aws: () => refusal("Throttling", "Rate exceeded", 400),
    exit: 7,
    error: "Throttling: Rate exceeded",
    hint: "try again in a few seconds",
  },
  {
    title: "a server's failure",
    aws: () => refusal("ServiceUnavailable", "try later", 503),
    exit: 7,
    error: "ServiceUnavailable: try later",
    hint: "the fault is at AWS's end: try again in a minute",
  },
  {
    title: "a proxy that is down",
    env: { HTTPS_PROXY: "http://user:canary@127.0.0.1:1" },
    exit: 7,
    error: "no answer from STS at sts.eu-west-1.amazonaws.com: ECONNREFUSED through the proxy 127.0.0.1:1",
    hint: "check the network, the proxy and AWS_ENDPOINT_URL_STS",
  },
  {
    title: "a name that is not known",
    // RFC 6761: nobody's, whatever network this is.
    set: ["STS.endpoint_url=https://sts.invalid"],
    env: { NO_PROXY: "invalid" },
    exit: 7,
    error: "no answer from STS at sts.invalid: ",
    hint: "check the network, the proxy and AWS_ENDPOINT_URL_STS",
  },
  {
    title: "a region that is none",
    set: ["STS.region_name=eu-wst-1"],
    env: { NO_PROXY: "amazonaws.com" },
    exit: 7,
    error: "no answer from STS at sts.eu-wst-1.amazonaws.com: ",
    hint: "keyhole does not know the region eu-wst-1, did you mean eu-west-1",
  },
  {
    title: "an authority that is not known",
    env: { AWS_CA_BUNDLE: "/etc/ssl/certs/ca-certificates.crt" },
    exit: 7,
    error:
      "the certificate of STS at sts.eu-west-1.amazonaws.com, issued by localhost, is not trusted: " +
      "DEPTH_ZERO_SELF_SIGNED_CERT through the proxy 127.0.0.1:",
    hint: "export AWS_CA_BUNDLE=/path/to/the/ca.pem",
  },
  {
    title: "an authority of a hop that is not known",
    profile: "hop",
    env: { AWS_CA_BUNDLE: "/etc/ssl/certs/ca-certificates.crt" },
    exit: 7,
    error: "the certificate of STS at sts.eu-west-1.amazonaws.com, issued by localhost, is not trusted",
    hint: "export AWS_CA_BUNDLE=/path/to/the/ca.pem",
  },
  {
    title: "an authority of a sign-in that is not known",
    profile: "sso-dev",
    env: { AWS_CA_BUNDLE: "/etc/ssl/certs/ca-certificates.crt" },
    exit: 7,
    error: "the certificate of the sign-in's server at ",
    hint: "export AWS_CA_BUNDLE=/path/to/the/ca.pem",
  },
  {
    title: "an STS that says nothing",
    aws: () => new Promise<Response>(() => {}),
    exit: 7,
    error: "no answer from STS",
    hint: "check the network",
  },
];

function json(status: number, type: string, body: object): Response {
  return Response.json(body, { status, headers: { "x-amzn-errortype": type } });
}

async function fail(world: World, { set = [], profile = "keys", helper, env = {}, aws }: Partial<Failure>) {
  const { home } = world.machine;
  world.aws.intercept = aws;
  if (helper !== undefined) writeFileSync(join(home, "helper"), `#!/bin/sh\n${helper}\n`, { mode: 0o755 });
  const source = profile === null ? [] : [`Session.profile_name=${profile}`];
  const sets = [...source, ...set].flatMap((value) => ["--set", value.replace("HOME", home)]);
  const role = ["--role-arn", "arn:aws:iam::999999999999:role/target"];
  expect(await world.run(["config", "add", "-n", "c", ...role, ...sets])).toMatchObject({ exitCode: 0 });
  return world.run(["export", "-n", "c"], env);
}

for (const failure of failures) {
  test.concurrent(
    `${failure.title}: exit ${failure.exit}`,
    async () => {
      await using world = await makeWorld(CONFIG);
      const { exitCode, stdout, stderr } = await fail(world, failure);
      const [error = "", hint = ""] = stderr.split("\n");
      expect({ exitCode, stdout, error, hint: `${hint}\n` }).toEqual({
        exitCode: failure.exit,
        stdout: "",
        error: expect.stringContaining(failure.error),
        hint: expect.stringContaining(failure.hint),
      });
      expect(stderr).not.toContain("canary");
    },
    60_000,
  );
}

test.each([
  [407, "it wants a user and a password: export HTTPS_PROXY="],
  [403, "ask who runs the proxy to allow sts.eu-west-1.amazonaws.com"],
])("a proxy that answers %d is named, and what it wants", async (status, advice) => {
  await using world = await makeWorld(CONFIG);
  const proxy = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`));
  });
  await new Promise<void>((listening) => proxy.listen(0, "127.0.0.1", listening));
  const { port } = proxy.address() as AddressInfo;
  try {
    const { exitCode, stderr } = await fail(world, { env: { HTTPS_PROXY: `http://127.0.0.1:${port}` } });
    const what = `the proxy 127.0.0.1:${port} does not let keyhole through to sts.eu-west-1.amazonaws.com (${status})`;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 7, stderr: expect.stringContaining(what) });
    expect(stderr).toContain(advice);
  } finally {
    proxy.close();
  }
});
