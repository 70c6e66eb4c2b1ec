import { expect, test } from "bun:test";
import { configNames, planImports } from "../../../src/cli/configs/imports.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { parseSharedConfig } from "../../../src/sources/profile.ts";

const ROLE = "role_arn = arn:aws:iam::123456789012:role/r\n";
const KEYS = "aws_access_key_id = AKIACANARY0000000000\naws_secret_access_key = canary\n";

function plan(config: string, trustsCommands = false, credentials = "") {
  const shared = parseSharedConfig(config, credentials);
  const sources = { shared, environment: { AWS_EC2_METADATA_DISABLED: "true" } };
  return planImports(sources, [...shared.profiles.keys()], { prefix: "", trustsCommands }).map(
    ({ config: made, what, profile }) => ({
      profile,
      what,
      name: made?.name,
      is: made && parseConfig(made.text, undefined).config,
    }),
  );
}

test("what may not stand in a config's name becomes a hyphen, and no two configs have one name", () => {
  const names = configNames(["team a", "team/a", "büro", "team-a", "--", "€", "x".repeat(200)], "p-");
  expect([...names]).toEqual([
    ["team-a", "p-team-a"],
    ["--", "p---"],
    ["x".repeat(200), `p-${"x".repeat(126)}`],
    ["team a", "p-team-a-2"],
    ["team/a", "p-team-a-3"],
    ["büro", "p-buro"],
    ["€", "p-profile"],
  ]);
});

test("a role is assumed from its source profile, all else is the profile as it is; no key is copied", () => {
  const found = plan(
    `[default]\n${KEYS}region = eu-west-1\n[profile r]\n${ROLE}source_profile = default\nregion = us-east-1\nexternal_id = ext\nduration_seconds = 1800\nrole_session_name = me\n[profile odd]\n${ROLE}source_profile = default\nduration_seconds = abc\n`,
  );
  expect(found).toMatchObject([
    { name: "default", is: { Session: { profile_name: "default" } } },
    {
      name: "r",
      what: "arn:aws:iam::123456789012:role/r from profile default",
      is: {
        AssumeRole: {
          RoleArn: "arn:aws:iam::123456789012:role/r",
          RoleSessionName: "me",
          ExternalId: "ext",
          DurationSeconds: 1800,
        },
        Session: { profile_name: "default", region_name: "us-east-1" },
      },
    },
    { name: "odd", is: { AssumeRole: { RoleArn: "arn:aws:iam::123456789012:role/r" } } },
  ]);
  expect(JSON.stringify(found)).not.toMatch(/canary/i);
});

test.each([
  ["a way of its own", `${ROLE}source_profile = default\nuse_fips_endpoint = true\n`],
  ["itself for its source", `${ROLE}source_profile = p\n${KEYS}`],
  ["a source that has keys beside its role", `${ROLE}source_profile = both\n`],
  ["an external id that no config takes", `${ROLE}source_profile = default\nexternal_id = a b\n`],
  ["an instance for its source", `${ROLE}credential_source = EcsContainer\n`],
  ["a web identity", `${ROLE}web_identity_token_file = /t\n`],
])("a role with %s stays the profile as it is", (_, text) => {
  const found = plan(`[default]\n${KEYS}[profile both]\n${ROLE}source_profile = default\n${KEYS}[profile p]\n${text}`);
  expect(found.at(-1)).toMatchObject({ profile: "p", is: { Session: { profile_name: "p" } } });
  expect(found.at(-1)!.is).not.toHaveProperty("AssumeRole");
});

test("what gives nothing, runs a command or calls keyhole is skipped, and says so", () => {
  const text = `[profile empty]\nregion = x\n[profile typo]\n${ROLE}source_profile = gone\n[profile loop]\n${ROLE}source_profile = loop\n[profile command]\ncredential_process = /bin/helper\n[profile own]\ncredential_process = /usr/bin/keyhole export -f credential-process -n own\n`;
  expect(plan(text).map(({ name, what }) => [name, what.slice(0, 55)])).toEqual([
    [undefined, "profile 'empty' gives none: no keys, role, web identity"],
    [undefined, "there is no profile 'gone', which profile 'typo' takes "],
    [undefined, "profile 'loop' is its own source_profile in the end"],
    [undefined, "its credentials come from a command: --trust-commands i"],
    [undefined, "it calls keyhole itself"],
  ]);
  expect(plan(text, true)[3]).toMatchObject({ is: { Session: { profile_name: "command" } } });
});
