import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import {
  digestOf,
  namedProfile,
  parseSharedConfig,
  type SharedConfig,
  sharedPaths,
} from "../../src/sources/resolve/profile.ts";
import { type Home, makeHome, ROLE } from "./fixture.ts";

let home: Home;

beforeAll(() => {
  home = makeHome();
  home.write(
    ".aws/config",
    "[default]\nregion = d\n[profile a]\nregion = a\nk = config\n[services s]\nsts =\n  endpoint_url = u\n[b]\nregion = b\n",
  );
  home.write(".aws/credentials", "[a]\nk = credentials\n[c]\nk = c\n");
});
afterAll(() => home.remove());

async function read(environment: Record<string, string>): Promise<SharedConfig> {
  const texts = sharedPaths(environment).map((path) =>
    Bun.file(path ?? "/nonexistent")
      .text()
      .catch(() => ""),
  );
  const [config = "", credentials = ""] = await Promise.all(texts);
  return parseSharedConfig(config, credentials);
}

test("merges both files, and the credentials file wins", async () => {
  const { profiles, services } = await read({ HOME: home.path });
  expect([...profiles.keys()].toSorted()).toEqual(["a", "c", "default"]);
  expect(Object.fromEntries(profiles.get("a")!)).toEqual({ region: "a", k: "credentials" });
  expect(services.get("s")?.get("sts.endpoint_url")).toBe("u");
});

test("prefers [profile default] to [default]", async () => {
  const path = home.write("other", "[profile default]\nregion = one\n[default]\nregion = two\n");
  const { profiles } = await read({ HOME: home.path, AWS_CONFIG_FILE: path });
  expect(profiles.get("default")?.get("region")).toBe("one");
});

test("finds the files where the requester says", async () => {
  home.write("elsewhere/config", "[profile x]\nregion = x\n");
  const { profiles } = await read({
    HOME: home.path,
    AWS_CONFIG_FILE: "~/elsewhere/config",
    AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
  });
  expect([...profiles.keys()]).toEqual(["x"]);
});

test("reads nothing for a requester without a home", async () => {
  expect((await read({})).profiles.size).toBe(0);
});

test.each([
  { session: "s", environment: { AWS_PROFILE: "e" }, is: "s" },
  { session: undefined, environment: { AWS_PROFILE: "e", AWS_DEFAULT_PROFILE: "d" }, is: "e" },
  { session: undefined, environment: { AWS_DEFAULT_PROFILE: "d" }, is: "d" },
  { session: undefined, environment: {}, is: undefined },
])("names profile $is", ({ session, environment, is }) => {
  const config: Config = { AssumeRole: { RoleArn: ROLE }, Session: { profile_name: session } };
  expect(namedProfile(config, environment as Record<string, string>)).toBe(is);
});

function digestOfP(text: string, credentials = ""): string {
  return digestOf(parseSharedConfig(text, credentials), ["p"]);
}

test("a digest changes with what counts for a profile, and with nothing else", () => {
  const own = "[profile p]\nsource_profile = q\nservices = s\nsso_session = t\n";
  const before = digestOfP(own);
  for (const same of [`${own}# more\n`, `${own}[profile other]\nregion = r\n`, `[services x]\n${own}`])
    expect(digestOfP(same)).toBe(before);
  const seen = [
    before,
    digestOfP(`${own}region = r\n`),
    digestOfP(`${own}[profile q]\nsource_profile = p\n`),
    digestOfP(`${own}[profile q]\nregion = r\n`),
    digestOfP(`${own}[services s]\nsts =\n  endpoint_url = http://x\n`),
    digestOfP(`${own}[sso-session t]\nsso_region = r\n`),
    digestOfP(own, "[q]\naws_access_key_id = k\n"),
    digestOfP(`${own}[profile q]\naws_access_key_id = k\n`),
    digestOfP(""),
  ];
  expect(new Set(seen).size).toBe(seen.length);
});
