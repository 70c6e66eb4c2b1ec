import { describe, expect, test } from "bun:test";
import { parseChanges } from "../../src/config/change.ts";

describe("a value is of the kind that the schema wants", () => {
  test.each<[setting: string, value: unknown]>([
    ["AssumeRole.RoleArn=arn:aws:iam::1:role/x=y", "arn:aws:iam::1:role/x=y"],
    ["AssumeRole.ExternalId=012", "012"],
    ["AssumeRole.TokenCode=012345", "012345"],
    ["AssumeRole.DurationSeconds=3600", 3600],
    ["STS.use_ssl=false", false],
    ["STS.verify=false", false],
    ["STS.verify=/etc/ca.pem", "/etc/ca.pem"],
    ["MFA.command=oathtool --totp x", "oathtool --totp x"],
    ["MFA.command=[oathtool, --totp, 'a b']", ["oathtool", "--totp", "a b"]],
    ["AssumeRole.PolicyArns=arn:x", ["arn:x"]],
    ['AssumeRole.PolicyArns=["arn:x","arn:y"]', ["arn:x", "arn:y"]],
    ["AssumeRole.Tags=team=a=b", [{ Key: "team", Value: "a=b" }]],
    ["AssumeRole.Tags={Key: a, Value: b}", [{ Key: "a", Value: "b" }]],
    ["AssumeRole.Tags[3].Key=a", "a"],
    ["STS={region_name: us-east-1, use_ssl: true}", { region_name: "us-east-1", use_ssl: true }],
    ['AssumeRole.Policy={"Version":"2012-10-17"}', '{"Version":"2012-10-17"}'],
    ["pin=true", true],
  ])("%s", (setting, value) => {
    expect(parseChanges([setting], []).map((change) => change.value)).toEqual([value]);
  });
});

test("a list grows by repeating its path", () => {
  expect(parseChanges(["AssumeRole.Tags=a=1", "pin=true", "AssumeRole.Tags=b=2"], [])).toEqual([
    {
      path: ["AssumeRole", "Tags"],
      value: [
        { Key: "a", Value: "1" },
        { Key: "b", Value: "2" },
      ],
    },
    { path: ["pin"], value: true },
  ]);
});

test("removals come last", () => {
  expect(parseChanges(["STS.verify=true"], ["STS.region_name"])).toEqual([
    { path: ["STS", "verify"], value: true },
    { path: ["STS", "region_name"], value: undefined },
  ]);
});

describe("a mistake names the path, and never the value", () => {
  test.each<[setting: string, message: string]>([
    ["RoleArn", "--set needs PATH=VALUE"],
    ["=CANARY", "--set needs PATH=VALUE"],
    ["RoleArn=CANARY", "--set RoleArn is no key here; it belongs under AssumeRole"],
    ["AssumeRole.RoleAm=CANARY", "--set AssumeRole.RoleAm is no key of the schema; did you mean RoleArn"],
    ["AssumeRole.RoleArn.x=CANARY", "--set AssumeRole.RoleArn.x is no key of the schema"],
    ["AssumeRole.RoleArn[0]=CANARY", "--set AssumeRole.RoleArn[0] is no list"],
    [
      "CANARY KEY=x",
      "--set (not a plain word) is no key of the schema; known here: AssumeRole, GetSessionToken, WebIdentity, Source, STS, MFA, Session, Sign, Meta, pin",
    ],
    ["AssumeRole.DurationSeconds=CANARY", "AssumeRole.DurationSeconds must be a whole number"],
    ["STS.use_ssl=CANARY", "STS.use_ssl must be true or false"],
    ["STS=CANARY", "STS must be a mapping, like {Key: team, Value: web}"],
    ["AssumeRole.Tags=[CANARY", "AssumeRole.Tags: a bracket that does not close"],
    [
      "constructor=CANARY",
      "--set constructor is no key of the schema; known here: AssumeRole, GetSessionToken, WebIdentity, Source, STS, MFA, Session, Sign, Meta, pin",
    ],
  ])("%s", (setting, message) => {
    expect(() => parseChanges([setting], [])).toThrow(new Error(message));
  });

  test("also in --unset", () => {
    expect(() => parseChanges([], ["STS.verfy"])).toThrow(
      "--unset STS.verfy is no key of the schema; did you mean verify",
    );
  });
});
