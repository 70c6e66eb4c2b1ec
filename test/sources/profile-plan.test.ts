import { describe, expect, test } from "bun:test";
import { KeyholeError } from "../../src/errors.ts";
import { describePlan, planSource, profileRefusal, renewalOf } from "../../src/sources/resolve/profile-plan.ts";
import { parseSharedConfig } from "../../src/sources/resolve/profile.ts";

const ROLE = "arn:aws:iam::111122223333:role/r";
const OFF = { AWS_EC2_METADATA_DISABLED: "true" };

const shared = parseSharedConfig(
  `
[default]
region = eu-west-1
[profile keys]
aws_access_key_id = CONFIG
aws_secret_access_key = s
[profile both]
aws_access_key_id = CONFIG
aws_secret_access_key = s
credential_process = helper
[profile process]
credential_process = helper ; with # marks
aws_access_key_id = CONFIG
aws_secret_access_key = s
[profile login]
login_session = arn
credential_process = helper
[profile sso]
sso_account_id = 1
sso_role_name = r
sso_start_url = https://d.awsapps.com/start
sso_region = eu-west-1
aws_access_key_id = CONFIG
aws_secret_access_key = s
[profile "half sso"]
sso_session = a b
sso_account_id = 1
[profile "lost sso"]
sso_session = gone
sso_account_id = 1
sso_role_name = r
[sso-session 'a b']
sso_region = eu-west-1
[profile token]
role_arn = ${ROLE}
web_identity_token_file = /token
sso_account_id = 1
[profile role]
role_arn = ${ROLE}
source_profile = keys
credential_process = helper
[profile two]
role_arn = ${ROLE}2
source_profile = role
duration_seconds = soon
[profile sourcewithkeys]
role_arn = ${ROLE}3
source_profile = keyedrole
[profile keyedrole]
role_arn = ${ROLE}4
source_profile = nowhere
aws_access_key_id = KEYED
aws_secret_access_key = s
[profile itself]
role_arn = ${ROLE}
source_profile = itself
aws_access_key_id = ITSELF
aws_secret_access_key = s
[profile alone]
role_arn = ${ROLE}
source_profile = alone
[profile env]
role_arn = ${ROLE}
credential_source = Environment
[profile ecs]
role_arn = ${ROLE}
credential_source = EcsContainer
[profile ec2]
role_arn = ${ROLE}
credential_source = Ec2InstanceMetadata
[profile odd]
role_arn = ${ROLE}
credential_source = environment
[profile mfa]
role_arn = ${ROLE}
source_profile = keys
mfa_serial = arn
[profile onlymfa]
mfa_serial = arn
aws_access_key_id = ONLY
aws_secret_access_key = s
[profile bare]
region = eu-west-1
[profile half]
aws_access_key_id = HALF
[profile typo]
aws_acess_key_id = TYPO
[profile 'it''s "quoted"']
aws_access_key_id = QUOTED
aws_secret_access_key = s
[profile a b]
aws_access_key_id = UNQUOTED
aws_secret_access_key = s
[profile __proto__]
aws_access_key_id = PROTO
aws_secret_access_key = s
`,
  "[both]\naws_access_key_id = CREDENTIALS\naws_secret_access_key = s\naws_security_token = t\n[only]\naws_access_key_id = ONLY\naws_secret_access_key = s\n",
);

/** In words, as the AWS CLI 1.45.11 resolves it: what has credentials, and the roles behind it. */
function plan(profile: string | undefined, environment: Record<string, string> = OFF): string {
  try {
    const { place, hops } = planSource({ shared, environment }, profile);
    const leaf = place.kind === "keys" ? place.accessKeyId : place.kind;
    return [leaf, ...hops.map(({ roleArn }) => roleArn.slice(roleArn.lastIndexOf("/") + 1))].join(" > ");
  } catch (error) {
    if (error instanceof KeyholeError) return `${error.kind}: ${error.message}`;
    throw error;
  }
}

test.each([
  ["keys", "profile keys (config file)"],
  ["both", "profile both (credentials file)"],
  ["process", "profile process (credential_process)"],
  ["login", "profile login (aws login)"],
  ["sso", "profile sso (SSO)"],
  ["token", "profile token (web identity)"],
  ["two", "profile two (role, config file of profile keys)"],
  ["ecs", "profile ecs (role, container)"],
])("of profile %s the true source is %s", (profile, is) => {
  expect(describePlan(planSource({ shared, environment: OFF }, profile), profile)).toBe(is);
});

test.each<[Record<string, string>, string, string]>([
  [{ AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: "/token" }, "", "web identity"],
  [{}, "", "instance metadata"],
  [{}, "[default]\ncredential_process = helper\n", "profile default (credential_process)"],
])("without a profile, in %p and %p, it is %s", (environment, text, is) => {
  const sources = { shared: parseSharedConfig(text, ""), environment };
  expect(describePlan(planSource(sources, undefined), undefined)).toBe(is);
});

test("a role says whose code it asks for", () => {
  expect(planSource({ shared, environment: OFF }, "mfa").hops[0]?.mfaSerial).toBe("arn");
});

test.each([
  ["keys", "CONFIG"],
  ["only", "ONLY"],
  ["both", "CREDENTIALS"],
  ["process", "process"],
  ["login", "login"],
  ["sso", "sso"],
  ["token", "web-identity"],
  ["role", "CONFIG > r"],
  ["two", "CONFIG > r > r2"],
  ["sourcewithkeys", "KEYED > r3"],
  ["itself", "ITSELF > r"],
  ["onlymfa", "ONLY"],
  ["its quoted", "no-source-credentials: there is no profile 'its quoted'"],
  ["a b", "no-source-credentials: there is no profile 'a b'"],
  ["__proto__", "PROTO"],
  ["ecs", "container > r"],
  ["alone", "credential-loop: profile 'alone' is its own source_profile in the end"],
  ["mfa", "CONFIG > r"],
  ["half", "no-source-credentials: profile 'half' has aws_access_key_id without aws_secret_access_key"],
])("profile %s: %s", (profile, is) => {
  expect(plan(profile)).toBe(is);
});

test.each([
  ["bare", "gives no credentials"],
  ["typo", "gives no credentials"],
  ["default", "profile 'default' gives no credentials"],
  ["half sso", "the sign-in of profile 'half sso' lacks sso_role_name, sso_start_url"],
  ["lost sso", "profile 'lost sso' names the sso-session 'gone', which is not there"],
  ["ec2", "instance metadata, which is turned off"],
  ["env", "the environment, which has none"],
  ["odd", "must be Environment, EcsContainer or Ec2InstanceMetadata"],
  ["keyedrole", "there is no profile 'nowhere'"],
])("profile %s is refused: %s", (profile, what) => {
  expect(plan(profile)).toContain(what);
});

describe("the environment", () => {
  const keys = { ...OFF, AWS_ACCESS_KEY_ID: "ENV", AWS_SECRET_ACCESS_KEY: "s" };
  const token = { ...OFF, AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: "/token" };
  const container = { ...OFF, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/x" };

  test.each([
    ["env", keys, "environment > r"],
    ["bare", keys, "gives no credentials"],
    ["bare", token, "gives no credentials"],
    ["bare", container, "container"],
    ["bare", {}, "instance"],
    [undefined, token, "web-identity"],
    [undefined, container, "container"],
    [undefined, {}, "instance"],
    [undefined, OFF, "no keys or web identity in the environment, nothing in profile 'default'"],
  ])("of profile %p, with %p: %s", (profile, environment, is) => {
    expect(plan(profile, environment as Record<string, string>)).toContain(is);
  });

  test("without instance metadata leaves a bare profile nothing, as far as can be seen", () => {
    const endpoint = { AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1" };
    expect(profileRefusal({ shared, environment: OFF }, "bare")?.message).toContain("gives no credentials");
    expect(profileRefusal({ shared, environment: endpoint }, "bare")).toBeUndefined();
    expect(profileRefusal({ shared, environment: OFF }, "keys")).toBeUndefined();
    // That a person is needed shows when it is asked.
    expect(profileRefusal({ shared, environment: OFF }, "mfa")).toBeUndefined();
  });
});

test("a sign-in is renewed by the profile that has it", () => {
  expect(renewalOf(planSource({ shared, environment: OFF }, "sso").place)).toBe("aws sso login --profile sso");
  expect(renewalOf(planSource({ shared, environment: OFF }, "login").place)).toBe("aws login --profile login");
  expect(renewalOf(planSource({ shared, environment: OFF }, "role").place)).toBeUndefined();
});
