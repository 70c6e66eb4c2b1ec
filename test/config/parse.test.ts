import { describe, expect, test } from "bun:test";
import { KeyholeError } from "../../src/errors.ts";
import { formatProblem, inspectConfig, parseConfig } from "../../src/config/parse.ts";
import { worked } from "../processes.ts";

const ROLE = "arn:aws:iam::123456789012:role/demo";

function problemsOf(text: string): readonly string[] {
  const inspection = inspectConfig(text);
  return "problems" in inspection ? inspection.problems.map(formatProblem) : [];
}

/** Problems of a config whose AssumeRole has these lines beside the ARN. */
function roleProblems(...lines: string[]): readonly string[] {
  return problemsOf([`AssumeRole:`, `  RoleArn: ${ROLE}`, ...lines.map((line) => `  ${line}`)].join("\n"));
}

test("a role's ARN is all that a config needs", () => {
  expect(inspectConfig(`AssumeRole:\n  RoleArn: ${ROLE}\n`)).toEqual({
    config: { AssumeRole: { RoleArn: ROLE } },
    warnings: [],
  });
});

// What yaml.safe_dump (PyYAML 6.0.3) writes, as elhaz calls it, with every section and None for absent keys.
const ELHAZ = String.raw`AssumeRole:
  DurationSeconds: 3600
  ExternalId: '12345'
  Policy: '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*",
    "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}'
  PolicyArns:
  - arn:aws:iam::aws:policy/ReadOnlyAccess
  ProvidedContexts:
  - ContextAssertion: abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd
    ProviderArn: arn:aws:iam::aws:contextProvider/IdentityCenter
  RoleArn: arn:aws:iam::123456789012:role/demo
  RoleSessionName: me@x
  SerialNumber: arn:aws:iam::123456789012:mfa/x
  SourceIdentity: null
  Tags:
  - Key: team
    Value: a b
  - Key: 'no'
    Value: ''
  TokenCode: 089123
  TransitiveTagKeys:
  - team
MFA:
  command:
  - ykman
  - oath
  - code
  - --single
  - 'AWS: x'
  timeout: 30
Meta:
  description: "a long description that goes on and on, with: colons # hashes 'quotes'\
    \ and \"doubles\" so that PyYAML folds it over lines \xE9\nsecond line\ttab"
STS:
  api_version: '2011-06-15'
  aws_account_id: '012345670123'
  endpoint_url: http://127.0.0.1:5000
  region_name: us-east-1
  use_ssl: true
  verify: false
Session:
  aws_account_id: '012345671234'
  profile_name: dev
`;

test("a file of elhaz with every section is read as elhaz means it", () => {
  const { config, warnings } = parseConfig(ELHAZ, "elhaz.yaml");
  expect(config as unknown).toEqual({
    AssumeRole: {
      DurationSeconds: 3600,
      ExternalId: "12345",
      Policy:
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}',
      PolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
      ProvidedContexts: [
        { ContextAssertion: "abcd".repeat(24), ProviderArn: "arn:aws:iam::aws:contextProvider/IdentityCenter" },
      ],
      RoleArn: ROLE,
      RoleSessionName: "me@x",
      SerialNumber: "arn:aws:iam::123456789012:mfa/x",
      Tags: [
        { Key: "team", Value: "a b" },
        { Key: "no", Value: "" },
      ],
      TokenCode: "089123",
      TransitiveTagKeys: ["team"],
    },
    MFA: { command: ["ykman", "oath", "code", "--single", "AWS: x"], timeout: 30 },
    Meta: {
      description:
        "a long description that goes on and on, with: colons # hashes 'quotes' and \"doubles\" so that PyYAML folds it over lines é\nsecond line\ttab",
    },
    STS: {
      api_version: "2011-06-15",
      aws_account_id: "012345670123",
      endpoint_url: "http://127.0.0.1:5000",
      region_name: "us-east-1",
      use_ssl: true,
      verify: false,
    },
    Session: { aws_account_id: "012345671234", profile_name: "dev" },
  });
  expect(warnings).toEqual(["AssumeRole.TokenCode is ignored, because MFA.command gives the code"]);
});

describe("what STS would take is taken", () => {
  test.each<[title: string, arn: string]>([
    ["a path", "arn:aws:iam::123456789012:role/team/demo"],
    ["another partition", "arn:aws-us-gov:iam::123456789012:role/demo"],
    ["Ceph RGW's ARN without an account", "arn:aws:iam:::role/demo"],
    ["an account of Ceph RGW", "arn:aws:iam::RGW12345678901234567:role/demo"],
  ])("a role's ARN with %s", (_, arn) => {
    expect(problemsOf(`AssumeRole: {RoleArn: "${arn}"}`)).toEqual([]);
  });

  test("a duration that only other servers allow", () => {
    expect(roleProblems("DurationSeconds: 60")).toEqual([]);
  });

  test.each(["TokenCode: 012345", "TokenCode: '012345'", 'TokenCode: "012345"'])("%s keeps its zero", (line) => {
    const { config } = parseConfig(
      `AssumeRole:\n  RoleArn: ${ROLE}\n  SerialNumber: arn:aws:iam::123456789012:mfa/x\n  ${line}`,
      "x",
    );
    expect(config.AssumeRole?.TokenCode).toBe("012345");
  });

  test("null means absent, for keys and for sections", () => {
    const text = `AssumeRole:\n  RoleArn: ${ROLE}\n  ExternalId: null\nSTS:\nMFA: ~\n`;
    expect(parseConfig(text, "x").config as unknown).toEqual({ AssumeRole: { RoleArn: ROLE } });
  });

  test("a path of a CA bundle, and false", () => {
    for (const verify of ["/etc/ca.pem", "false"])
      expect(problemsOf(`AssumeRole: {RoleArn: "${ROLE}"}\nSTS: {verify: ${verify}}`)).toEqual([]);
  });
});

describe("one thing wrong gives one problem with line and key", () => {
  const words = "letters, digits or _+=,.@-";
  test.each<[line: string, problem: string]>([
    ["RoleSessionName: a b", `AssumeRole.RoleSessionName must be 2 to 64 ${words}`],
    ["SourceIdentity: x", `AssumeRole.SourceIdentity must be 2 to 64 ${words}`],
    ["ExternalId: 12345", "AssumeRole.ExternalId must be text: a number must be put in quotes"],
    ["ExternalId: a b", "AssumeRole.ExternalId must be 2 to 1224 letters, digits or _+=,.@:/-"],
    ["DurationSeconds: '1h'", "AssumeRole.DurationSeconds must be a whole number of seconds"],
    ["DurationSeconds: 3__600", "AssumeRole.DurationSeconds must be a whole number of seconds"],
    ["DurationSeconds: yes", "AssumeRole.DurationSeconds must be a whole number of seconds"],
    ["DurationSeconds: 1.5", "AssumeRole.DurationSeconds must be a whole number of seconds"],
    ["DurationSeconds: 0", "AssumeRole.DurationSeconds must be a whole number of seconds above 0"],
    ["DurationSeconds: 43201", "AssumeRole.DurationSeconds must be at most 43200"],
    ["Policy: {a: b}", "AssumeRole.Policy must be JSON as text; put it in single quotes or after `|`"],
    ["Policy: not json", "AssumeRole.Policy must be a JSON object"],
    ["Policy: '[]'", "AssumeRole.Policy must be a JSON object"],
    ["PolicyArns: x", "AssumeRole.PolicyArns must be a list"],
    [
      "PolicyArns: [x]",
      "AssumeRole.PolicyArns[0] must be the ARN of a managed policy, like arn:aws:iam::aws:policy/ReadOnlyAccess",
    ],
    [
      `PolicyArns: [${Array(11).fill("arn:aws:iam::aws:policy/ReadOnlyAccess").join(", ")}]`,
      "AssumeRole.PolicyArns must have at most 10 items",
    ],
    ["Tags: [{Key: a, Value: 1}]", "AssumeRole.Tags[0].Value must be text: a number must be put in quotes"],
    ["Tags: [{Key: a}]", "AssumeRole.Tags[0].Value is required"],
    ["Tags: [{Key: 'a*', Value: b}]", "AssumeRole.Tags[0].Key must be 1 to 128 letters, digits, spaces or _.:/=+-@"],
    ["Tags: [{Key: 'aws:x', Value: b}]", "AssumeRole.Tags[0].Key must not begin with aws:, which AWS keeps for itself"],
    [
      "Tags: [{Key: a, Value: b}, {Key: A, Value: b}]",
      "AssumeRole.Tags must not have two keys that differ only in capitals",
    ],
    [
      `Tags: [${Array.from({ length: 51 }, (_, index) => `{Key: k${index}, Value: v}`).join(", ")}]`,
      "AssumeRole.Tags must have at most 50 items",
    ],
    ["rolesessionname: ab", "AssumeRole.rolesessionname is no key of the schema; did you mean RoleSessionName"],
    ["RoleSesionName: ab", "AssumeRole.RoleSesionName is no key of the schema; did you mean RoleSessionName"],
    ["duration_seconds: 1", "AssumeRole.duration_seconds is no key of the schema; did you mean DurationSeconds"],
    ["Duration: 1", "AssumeRole.Duration is no key of the schema; did you mean DurationSeconds"],
    ["profile_name: dev", "AssumeRole.profile_name is no key here; it belongs under Session"],
    ["TokenCode: 12345", "AssumeRole.TokenCode must be six digits"],
  ])("%s", (line, problem) => {
    expect(roleProblems(line).filter((text) => !text.includes("SerialNumber is required"))).toEqual([
      `line 3: ${problem}`,
    ]);
  });

  test.each<[section: string, problem: string]>([
    ["STS: {aws_account_id: 12345678901}", "STS.aws_account_id must be twelve digits"],
    ["STS: {aws_account_id: '12345'}", "STS.aws_account_id must be twelve digits"],
    ["STS: {use_ssl: maybe}", "STS.use_ssl must be true or false"],
    ["STS: {use_ssl: 2}", "STS.use_ssl must be true or false"],
    ["STS: {verify: ''}", "STS.verify must be true, false or the path of a CA bundle"],
    ["STS: {endpoint_url: 'localhost:5000'}", "STS.endpoint_url must be a URL that begins with https:// or http://"],
    ["STS: {aws_access_key_id: AK}", "STS.aws_secret_access_key is required with STS.aws_access_key_id"],
    ["Session: {aws_session_token: x}", "Session.aws_access_key_id is required with Session.aws_session_token"],
    ["Session: dev", "Session must be a mapping"],
    ["Metta: {}", "Metta is no key of the schema; did you mean Meta"],
    [
      "constructor: {}",
      "constructor is no key of the schema; known here: AssumeRole, GetSessionToken, WebIdentity, Source, STS, MFA, Session, Sign, Meta, pin",
    ],
    [
      "__proto__: {}",
      "__proto__ is no key of the schema; known here: AssumeRole, GetSessionToken, WebIdentity, Source, STS, MFA, Session, Sign, Meta, pin",
    ],
    ["pin: please", "pin must be true or false"],
  ])("%s", (section, problem) => {
    expect(problemsOf(`AssumeRole: {RoleArn: "${ROLE}"}\n${section}`)).toEqual([`line 2: ${problem}`]);
  });

  test.each<[title: string, text: string, problem: string]>([
    ["an empty file", "", "the file must be a mapping with the key AssumeRole"],
    ["a list", "- a", "the file must be a mapping with the key AssumeRole"],
    ["a file without AssumeRole", "pin: true", "AssumeRole is required"],
    ["a role without ARN", "AssumeRole: {}", "line 1: AssumeRole.RoleArn is required"],
    [
      "an account that lost its zero",
      "AssumeRole: {RoleArn: 'arn:aws:iam::12345678901:role/x'}",
      "line 1: AssumeRole.RoleArn must be the ARN of a role, like arn:aws:iam::123456789012:role/NAME",
    ],
  ])("%s", (_, text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });
});

describe("MFA", () => {
  const serial = "SerialNumber: arn:aws:iam::123456789012:mfa/x";
  const command = "\nMFA:\n  command: oathtool";

  test("a command needs a serial number", () => {
    expect(problemsOf(`AssumeRole:\n  RoleArn: ${ROLE}${command}`)).toEqual([
      "line 1: AssumeRole.SerialNumber is required with MFA.command",
    ]);
  });

  test("a person gives the code of a device that has neither code nor command", () => {
    expect(roleProblems(serial)).toEqual([]);
    expect(roleProblems(serial, "TokenCode: '000000'")).toEqual([]);
    expect(problemsOf(`AssumeRole:\n  RoleArn: ${ROLE}\n  ${serial}${command}`)).toEqual([]);
  });

  test("a command is for the device of a profile, where the config names none", () => {
    expect(problemsOf(`AssumeRole:\n  RoleArn: ${ROLE}\nSession: {profile_name: p}\n${command.trimStart()}`)).toEqual(
      [],
    );
  });

  test.each(["''", "[]", "['']", "1", "[1]"])("%s is no command", (value) => {
    expect(problemsOf(`AssumeRole:\n  RoleArn: ${ROLE}\n  ${serial}\nMFA: {command: ${value}}`)[0]).toBe(
      "line 4: MFA.command must be a command: text, or a list of text",
    );
  });
});

test("policy and policy ARNs are counted together, with the count in the message", () => {
  const policy = JSON.stringify({ Version: "2012-10-17", Pad: "x".repeat(1990) });
  expect(policy.length).toBeLessThan(2048);
  const text = JSON.stringify({
    AssumeRole: { RoleArn: ROLE, Policy: policy, PolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"] },
  });
  expect(problemsOf(text)).toEqual([
    `line 1: AssumeRole.Policy and PolicyArns have ${policy.length + 38} characters together; STS takes at most 2048`,
  ]);
});

test("every problem of a file comes at once, in the order of its lines", () => {
  const text = `AssumeRole:\n  RoleArn: x\n  ExternalId: 1\nSTS:\n  verify: 3\nextra: 1\nmore: 1\n`;
  expect(problemsOf(text).map((problem) => problem.split(" ").slice(0, 3).join(" "))).toEqual([
    "line 2: AssumeRole.RoleArn",
    "line 3: AssumeRole.ExternalId",
    "line 5: STS.verify",
    "line 6: extra",
    "line 7: more",
  ]);
});

test("no problem holds a value, whatever is wrong", () => {
  const canary = "CANARY7";
  const values = [`'${canary} ${canary}'`, `[${canary}]`, `{${canary} x: ${canary}}`, `{a: 'x ${canary}'}`];
  const keys = ["RoleArn", "Policy", "ExternalId", "Tags", "PolicyArns", "TokenCode", "SerialNumber", "SourceIdentity"];
  for (const value of values) {
    for (const key of keys) {
      const problems = problemsOf(`AssumeRole:\n  ${key}: ${value}\n`);
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join("\n")).not.toContain(canary);
    }
  }
  for (const text of [`AssumeRole: ${canary}`, `a: "${canary}`, `a: ${canary}: b`, `'${canary} x': 1`, `a: *${canary}`])
    expect(problemsOf(text).join("\n")).not.toContain(canary);
});

test("of very many problems the first fifty are shown, soon", () => {
  const text = `AssumeRole:\n  RoleArn: ${ROLE}\n  Tags: [${"{Kye: 1}, ".repeat(900)}]`;
  const started = worked();
  expect(problemsOf(text)).toHaveLength(50);
  expect(worked() - started).toBeLessThan(500);
});

test.each([
  ["GetSessionToken: {}", []],
  ["GetSessionToken: {DurationSeconds: 129600}", []],
  ["GetSessionToken: {DurationSeconds: 899}", ["line 1: GetSessionToken.DurationSeconds must be at least 900"]],
  ["GetSessionToken: {DurationSeconds: 129601}", ["line 1: GetSessionToken.DurationSeconds must be at most 129600"]],
  [
    `GetSessionToken: {}\nAssumeRole: {RoleArn: "${ROLE}"}`,
    ["line 2: AssumeRole goes with no GetSessionToken: make two configs"],
  ],
  ["GetSessionToken: {SerialNumber: arn:aws:iam::111122223333:mfa/ann}\nMFA: {command: code}", []],
  ["GetSessionToken: {}\nMFA: {command: code}", ["line 1: GetSessionToken.SerialNumber is required with MFA.command"]],
])("a user's own session: %s", (text, problems) => {
  const inspection = inspectConfig(text);
  expect("problems" in inspection ? inspection.problems.map(formatProblem) : []).toEqual(problems);
});

test("an error names the file on every line", () => {
  expect(() => parseConfig("AssumeRole: {}\nx: 1", "dev.yaml")).toThrow(
    new KeyholeError(
      "invalid-config",
      "dev.yaml: line 1: AssumeRole.RoleArn is required\n" +
        "dev.yaml: line 2: x is no key of the schema; known here: AssumeRole, GetSessionToken, WebIdentity, Source, STS, MFA, Session, Sign, Meta, pin",
    ),
  );
});
