import { expect, test } from "bun:test";
import { KeyholeError } from "../../../src/errors.ts";
import { checkSourceLoop, checkSourceProfile } from "../../../src/cli/doctor/sources.ts";
import { Home, hostMachine } from "../fakes/machines.ts";

const PROCESS = "/opt/keyhole export -f credential-process -n";

test("a profile that does not exist, or gives nothing, is a problem of whoever names it", async () => {
  using home = new Home();
  home.write(
    ".aws/config",
    "[profile there]\nregion = eu-west-1\n[profile login]\nlogin_session = arn:aws:iam::111122223333:user/jo\n",
  );
  home.config("plain");
  home.config("good", "Session:", "  profile_name: login");
  expect(checkSourceProfile(await hostMachine(home))).toMatchObject([
    { level: "ok", message: "good: profile login (aws login), STS of us-east-1" },
  ]);
  home.config("bad", "Session:", "  profile_name: gone");
  home.config("empty", "Session:", "  profile_name: there");
  const variables = { AWS_EC2_METADATA_DISABLED: "true" };
  expect(checkSourceProfile(await hostMachine(home, {}, variables))).toMatchObject([
    { level: "problem", message: "bad: there is no profile 'gone'", fix: "aws configure list-profiles" },
    {
      message: expect.stringContaining("empty: profile 'there' gives no credentials"),
      fix: expect.stringContaining("there"),
    },
  ]);
  // As every container has them.
  const inContainer = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/" };
  expect(checkSourceProfile(await hostMachine(home, {}, inContainer))).toHaveLength(1);
});

test("so is one that this shell names, also where it has keys", async () => {
  using home = new Home();
  home.config("plain");
  const shell = { AWS_PROFILE: "gone", AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "s" };
  expect(checkSourceProfile(await hostMachine(home, {}, shell))).toMatchObject([
    { level: "problem", fix: "unset AWS_PROFILE AWS_DEFAULT_PROFILE" },
  ]);
});

test("so is a file of ~/.aws that is not read", async () => {
  using home = new Home();
  const refusals = [new KeyholeError("person-needed", "/h/.aws/config is a pipe", "ls -ld /h/.aws/config")];
  home.config("named", "Session:", "  profile_name: gone");
  expect(checkSourceProfile(await hostMachine(home, { refusals }))).toEqual([
    { level: "problem", message: "/h/.aws/config is a pipe", fix: "ls -ld /h/.aws/config" },
  ]);
});

test("the default profile may ask keyhole: it is no config's source then", async () => {
  using home = new Home();
  home.write(".aws/config", `[default]\ncredential_process = ${PROCESS} dev\n`);
  home.config("dev");
  expect(checkSourceLoop(await hostMachine(home))).toMatchObject([{ level: "ok" }]);
});

test.each([
  [
    "itself, by a profile that another is based on",
    { "profile a": "", "profile b": `${PROCESS} dev` },
    ["dev:a"],
    "itself",
  ],
  ["each other", { "profile a": `${PROCESS} two`, "profile b": `${PROCESS} dev` }, ["dev:a", "two:b"], "two, then dev"],
])("configs whose source is %s are a loop", async (_, profiles, configs, way) => {
  using home = new Home();
  const sections = Object.entries(profiles).map(([name, process]) =>
    process === "" ? `[${name}]\nsource_profile = b\n` : `[${name}]\ncredential_process = ${process}\n`,
  );
  home.write(".aws/config", sections.join(""));
  for (const each of configs) {
    const [name = "", profile] = each.split(":");
    home.config(name, ...(profile === undefined ? [] : ["Session:", `  profile_name: ${profile}`]));
  }
  const found = checkSourceLoop(await hostMachine(home));
  expect(found[0]).toEqual({
    level: "problem",
    message: `dev: its source credentials come from ${way}: a loop`,
    fix: "keyhole config update --editor -n dev",
  });
  expect(found).toHaveLength(configs.length);
});

test("a config whose source is another config is none, and neither is one with keys", async () => {
  using home = new Home();
  home.write(
    ".aws/config",
    `[default]\ncredential_process = ${PROCESS} base\n[profile keys]\naws_secret_access_key = s\n`,
  );
  home.config("dev");
  home.config("base", "Session:", "  profile_name: keys");
  expect(checkSourceLoop(await hostMachine(home))).toMatchObject([{ level: "ok" }]);
  home.config("base", "STS:", "  aws_access_key_id: AKIAEXAMPLE", "  aws_secret_access_key: s");
  expect(checkSourceLoop(await hostMachine(home))).toMatchObject([{ level: "ok" }]);
});
