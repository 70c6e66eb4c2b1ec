import { expect, test } from "bun:test";
import { parseIni } from "../../src/sources/ini.ts";
import { loginCommand } from "../../src/sources/login.ts";

const profiles = parseIni(
  "[sso]\nsso_session = s\n[legacy]\nsso_start_url = u\n[login]\nlogin_session = l\n[keys]\naws_access_key_id = k\n" +
    "[role]\nsource_profile = middle\n[middle]\nsource_profile = sso\n[loop]\nsource_profile = loop\n[my profile]\nsso_session = s\n",
);

test.each([
  ["sso", "aws sso login --profile sso"],
  ["legacy", "aws sso login --profile legacy"],
  ["login", "aws login --profile login"],
  ["role", "aws sso login --profile sso"],
  ["my profile", "aws sso login --profile 'my profile'"],
  ["keys", undefined],
  ["loop", undefined],
  ["nowhere", undefined],
])("renews the sign-in behind profile %s by %p", (profile, command) => {
  expect(loginCommand(profiles, profile)).toBe(command);
});
