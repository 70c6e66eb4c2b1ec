import { expect, test } from "bun:test";
import { profilesOf } from "../../../src/cli/configs/sso-accounts.ts";
import { configNames, planImports } from "../../../src/cli/configs/imports.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { parseSharedConfig } from "../../../src/sources/resolve/profile.ts";

const ROLE = "role_arn = arn:aws:iam::123456789012:role/r\n";
const KEYS = "aws_access_key_id = AKIACANARY0000000000\naws_secret_access_key = canary\n";

function plan(config: string, trustsCommands = false, credentials = "") {
  const shared = parseSharedConfig(config, credentials);
  const sources = { shared, environment: { AWS_EC2_METADATA_DISABLED: "true" } };
  const paths = { configDir: "/k/configs", defaultConfigDir: "/k/configs", socket: "/k/s.sock" };
  return planImports(sources, [...shared.profiles.keys()], { prefix: "", paths, trustsCommands }).map(
    ({ config: made, what, profile }) => ({
      profile,
      what,
      name: made?.name,
      is: made && parseConfig(made.text, undefined).config,
    }),
  );
}

test("what may not stand in a config's name becomes a hyphen, and no two configs have one name", () => {
  const names = configNames(["team a", "team/a", "büro", "team-a", "--", "--help", "€", "x".repeat(200)], "p-");
  expect([...names]).toEqual([
    ["team-a", "p-team-a"],
    ["x".repeat(200), `p-${"x".repeat(126)}`],
    ["team a", "p-team-a-2"],
    ["team/a", "p-team-a-3"],
    ["büro", "p-buro"],
    // A command line would take it for an option.
    ["--", "p-profile"],
    ["--help", "p-help"],
    ["€", "p-profile-2"],
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
    [undefined, "profile 'empty' gives no credentials: no keys, role, we"],
    [undefined, "there is no profile 'gone', which profile 'typo' takes "],
    [undefined, "profile 'loop' is its own source_profile in the end"],
    [undefined, "its credentials come from a command: --trust-commands i"],
    [undefined, "it calls keyhole itself"],
  ]);
  expect(plan(text, true)[3]).toMatchObject({ is: { Session: { profile_name: "command" } } });
});

const process = (words: string) => `credential_process = /usr/bin/keyhole export -f credential-process ${words}\n`;
const on = (source: string) => `${ROLE}source_profile = ${source}\n`;

test("a role on top of a profile that calls keyhole has that config for its source, a role on it the role's", () => {
  const found = plan(
    `[profile top]\n${on("up")}[profile up]\n${on("base")}region = eu-west-1\nexternal_id = ext\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n[profile base]\n${process("-n dev --config-dir /k/configs --socket-path=/k/s.sock")}`,
  );
  const RoleArn = "arn:aws:iam::123456789012:role/r";
  expect(found).toEqual([
    { profile: "top", name: "top", what: `${RoleArn} from config up`, is: { AssumeRole: { RoleArn }, Source: "up" } },
    {
      profile: "up",
      name: "up",
      what: `${RoleArn} from config dev`,
      is: {
        AssumeRole: { RoleArn, ExternalId: "ext", SerialNumber: "arn:aws:iam::123456789012:mfa/me" },
        Source: "dev",
        STS: { region_name: "eu-west-1" },
      },
    },
    { profile: "base", name: undefined, what: "it calls keyhole itself", is: undefined },
  ]);
});

test.each([
  ["for a config of another directory", process("-n dev --config-dir /other"), "", "what is no config of this"],
  ["of another daemon", process("-n dev --socket-path /other.sock"), "", "what is no config of this"],
  ["for a profile", process("--profile dev"), "", "what is no config of this"],
  ["with a way that no config has words for", process("-n dev"), "use_fips_endpoint = true\n", "use_fips_endpoint"],
  ["with an external id that no config takes", process("-n dev"), "external_id = a b\n", "AssumeRole.ExternalId"],
  ["of another partition", process("-n dev"), "region = cn-north-1\n", "region of the partition aws-cn"],
])("a role on keyhole %s is skipped: as the profile it is, it would be a loop", (_, source, role, why) => {
  const [, found] = plan(`[profile base]\n${source}[profile up]\n${on("base")}${role}`);
  expect(found).toMatchObject({ profile: "up", name: undefined, what: expect.stringContaining(why) });
});

const NOTHING = parseSharedConfig("", "");
const granted = (account: string, role: string, accountName = "prod") => ({ account, accountName, role });

test("no two roles of a sign-in get one profile, whatever stands for a hyphen in their names", () => {
  const roles = ["a+b", "a,b", "a=b", "a@b"].map((role) => granted("111111111111", role));
  expect(profilesOf("corp", roles, NOTHING, NOTHING).profiles).toEqual([
    "prod-a-b",
    "prod-a-b-111111111111",
    "prod-a-b-111111111111-2",
    "prod-a-b-111111111111-3",
  ]);
});

test("a role keeps the profile that was written for it, in whatever order the portal lists: configs name it", () => {
  const roles = [granted("111111111111", "Admin"), granted("222222222222", "Admin")];
  const first = profilesOf("corp", roles, NOTHING, NOTHING);
  const written = parseSharedConfig(first.text, "");
  const again = profilesOf("corp", [granted("333333333333", "Admin"), ...roles.toReversed()], NOTHING, written);
  expect(again.profiles).toEqual(["prod-Admin-333333333333", ...first.profiles.toReversed()]);
  // One that the person has taken for something else is theirs.
  const theirs = parseSharedConfig("[profile prod-Admin]\nregion = x\n", "");
  expect(profilesOf("corp", roles, theirs, written).profiles).toEqual([
    "prod-Admin-111111111111",
    "prod-Admin-222222222222",
  ]);
});
