import { expect, test } from "bun:test";
import { checkSourceLoop, checkSourceProfile } from "../../../src/cli/doctor/sources.ts";
import { Home, hostMachine } from "../fakes/machines.ts";

const PROCESS = "/opt/keyhole export -f credential-process -n";

test("a profile that does not exist is a problem of whoever names it", async () => {
  using home = new Home();
  home.write(".aws/config", "[profile there]\nregion = eu-west-1\n");
  home.config("plain");
  home.config("good", "Session:", "  profile_name: there");
  expect(checkSourceProfile(await hostMachine(home))).toMatchObject([{ level: "ok" }]);
  home.config("bad", "Session:", "  profile_name: gone");
  expect(checkSourceProfile(await hostMachine(home))).toEqual([
    { level: "problem", message: `bad: there is no profile "gone"`, fix: "aws configure --profile gone" },
  ]);
});

test("so is one that this shell names, unless its keys come before", async () => {
  using home = new Home();
  home.config("plain");
  const shell = { AWS_PROFILE: "gone" };
  expect(checkSourceProfile(await hostMachine(home, {}, shell))).toMatchObject([
    { level: "problem", fix: "unset AWS_PROFILE AWS_DEFAULT_PROFILE" },
  ]);
  const withKeys = { ...shell, AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "s" };
  expect(checkSourceProfile(await hostMachine(home, {}, withKeys))).toMatchObject([{ level: "ok" }]);
});

test.each([
  ["itself, by the default profile", { default: `${PROCESS} dev` }, ["dev"], "itself"],
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
