import { describe, expect, test } from "bun:test";
import { environmentInside, environmentOutside, shellConfigOf } from "../../../src/cli/programs/nesting.ts";
import { rivals, selectSourceEnvironment } from "../../../src/environment.ts";

const cwd = () => "/here";

const plain = { PATH: "/bin", HOME: "/home/a" };
const withKeys = {
  ...plain,
  AWS_ACCESS_KEY_ID: "AKIAOUTER",
  AWS_SECRET_ACCESS_KEY: "SECRET",
  AWS_SESSION_TOKEN: "TOKEN",
};
const withProfile = {
  ...plain,
  AWS_PROFILE: "base",
  AWS_CONFIG_FILE: "/etc/aws",
  AWS_ENDPOINT_URL: "http://127.0.0.1:1",
};
const withRole = {
  ...plain,
  AWS_ROLE_ARN: "arn",
  AWS_ROLE_SESSION_NAME: "me",
  AWS_WEB_IDENTITY_TOKEN_FILE: "/var/token",
};
const withContainer = { ...plain, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/1" };

const keys = (id: string) => ({
  AWS_ACCESS_KEY_ID: id,
  AWS_SECRET_ACCESS_KEY: "given",
  AWS_SESSION_TOKEN: "given",
  AWS_CREDENTIAL_EXPIRATION: "2026-11-20T13:00:00Z",
});
const files = (directory: string) => ({
  AWS_CONFIG_FILE: `${directory}/dev.config`,
  AWS_SHARED_CREDENTIALS_FILE: `${directory}/credentials`,
  AWS_SDK_LOAD_CONFIG: "1",
});
const exec = { session: "dev", config: "dev", region: undefined, variables: keys("ASIADEV"), shell: undefined };
const refresh = { ...exec, variables: files("/home/a/.keyhole/run") };
const shell = { ...refresh, shell: { profile: "dev", settings: { KEYHOLE_CONFIG_DIR: "/configs" } } };
const other = { ...exec, session: "other", config: "other", variables: files("/home/a/.keyhole/run/other") };

const outers = Object.entries({ plain, withProfile, withRole, withContainer });
const gifts = [
  ["exec", exec],
  ["exec --refresh", refresh],
  ["shell", { ...shell, shell: { ...shell.shell, settings: {} } }],
] as const;

describe.each(gifts)("%s", (_, gift) => {
  test("is given its variables, none that would win over them, and no secret of the shell outside", () => {
    const before = Object.fromEntries(rivals.map((name) => [name, "old"]));
    const inside = environmentInside({ ...plain, ...before, AWS_SECRET_ACCESS_KEY: "SECRET" }, gift, cwd);
    expect(inside).toMatchObject({ ...plain, ...gift.variables });
    const own = new Set([...Object.keys(gift.variables), ...(gift.shell === undefined ? [] : ["AWS_PROFILE"])]);
    for (const name of rivals) if (!own.has(name)) expect(inside).not.toHaveProperty(name);
    expect(Object.values(environmentInside(withKeys, gift, cwd)).join(" ")).not.toMatch(/SECRET|TOKEN/);
  });

  test.each(outers)("means, outside of it, what was there: %s", (__, outer) => {
    expect(selectSourceEnvironment(environmentOutside(environmentInside(outer, gift, cwd)), cwd)).toEqual(outer);
  });

  test("means the keys of the shell outside by their id, and says which session has them", () => {
    expect(environmentOutside(environmentInside(withKeys, gift, cwd))).toMatchObject({
      ...plain,
      AWS_ACCESS_KEY_ID: "AKIAOUTER",
      KEYHOLE_SOURCE_SESSION: "dev",
    });
    expect(environmentOutside(environmentInside(withKeys, gift, cwd))).not.toHaveProperty("AWS_SECRET_ACCESS_KEY");
  });

  test.each(gifts)("in %s it is the same", (__, outerGift) => {
    for (const outer of [plain, withProfile, withRole, withContainer, withKeys]) {
      const once = environmentOutside(environmentInside(outer, outerGift, cwd));
      const twice = environmentInside(environmentInside(outer, outerGift, cwd), { ...gift, session: "inner" }, cwd);
      expect(selectSourceEnvironment(environmentOutside(twice), cwd)).toEqual(selectSourceEnvironment(once, cwd));
    }
  });

  test.each([
    { AWS_PROFILE: "mine" },
    { AWS_ACCESS_KEY_ID: "AKIAINNER", AWS_SECRET_ACCESS_KEY: "s" },
    { AWS_WEB_IDENTITY_TOKEN_FILE: "/t", AWS_ROLE_ARN: "r" },
    { AWS_CONFIG_FILE: "/mine" },
    { AWS_SHARED_CREDENTIALS_FILE: "/mine" },
  ])("%j that is set inside is a selection of its own, and the one outside is forgotten", (changed) => {
    for (const outer of [withKeys, withRole, withProfile]) {
      const outside = environmentOutside({ ...environmentInside(outer, gift, cwd), ...changed });
      expect(outside).toMatchObject(changed);
      const selectors = ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "KEYHOLE_SOURCE_SESSION"];
      for (const name of selectors) if (!(name in changed)) expect(outside).not.toHaveProperty(name);
      // Keyhole's own files are none.
      expect(Object.values(outside)).not.toContain("/home/a/.keyhole/run/dev.config");
    }
  });
});

test("a profile that is set inside is looked for in the files outside", () => {
  const outside = environmentOutside({ ...environmentInside(withProfile, shell, cwd), AWS_PROFILE: "mine" });
  expect(outside).toMatchObject({ AWS_PROFILE: "mine", AWS_CONFIG_FILE: "/etc/aws" });
});

test("a shell says which config -n means inside, also to a shell in it, and a program of another config does not", () => {
  const inside = environmentInside(withProfile, shell, cwd);
  expect(inside).toMatchObject({ KEYHOLE_CONFIG: "dev", KEYHOLE_CONFIG_DIR: "/configs", AWS_PROFILE: "dev" });
  expect(shellConfigOf(inside)).toBe("dev");
  const program = environmentInside(inside, other, cwd);
  expect(program).not.toHaveProperty("KEYHOLE_CONFIG");
  expect(program).not.toHaveProperty("AWS_PROFILE");
  expect(shellConfigOf(program)).toBeUndefined();
  expect(shellConfigOf({ ...plain, KEYHOLE_CONFIG: "mine" })).toBeUndefined();
});

test.each([
  [undefined, exec, undefined],
  ["dev", exec, "dev"],
  ["mine", exec, undefined],
  ["mine", refresh, undefined],
  ["mine", shell, "dev"],
  // A profile's, a grant's, or of a directory that no variable names.
  ["mine", { ...exec, config: undefined }, undefined],
  ["mine", { ...refresh, config: undefined }, undefined],
])(
  "a default of -n that the shell outside has, %p, is none inside that means another config",
  (before, gift, after) => {
    const outer = { ...plain, ...(before !== undefined && { KEYHOLE_CONFIG: before }) };
    const inside = environmentInside(outer, gift, cwd);
    expect(inside["KEYHOLE_CONFIG"]).toBe(after);
    expect(environmentInside(inside, other, cwd)).not.toHaveProperty("KEYHOLE_CONFIG");
    const again = environmentInside(inside, exec, cwd);
    expect(again["KEYHOLE_CONFIG"]).toBe(after);
  },
);

test("in a shell within a shell of another config nothing of either is a source", () => {
  const innermost = environmentInside(environmentInside(withProfile, other, cwd), shell, cwd);
  expect(environmentOutside(innermost)).toMatchObject({ AWS_PROFILE: "base", AWS_CONFIG_FILE: "/etc/aws" });
});

test("files outlive a cd where keyhole's own take their place, and are left as they are elsewhere", () => {
  const relative = { ...plain, AWS_CONFIG_FILE: "config", AWS_SHARED_CREDENTIALS_FILE: "~/keys" };
  expect(environmentOutside(environmentInside(relative, shell, cwd))).toMatchObject({
    AWS_CONFIG_FILE: "/here/config",
    AWS_SHARED_CREDENTIALS_FILE: "~/keys",
  });
  expect(environmentInside(relative, exec, cwd)).toMatchObject({ AWS_CONFIG_FILE: "config" });
  expect(environmentOutside(environmentInside(relative, exec, cwd))).toEqual(relative);
});

describe("the region", () => {
  const gift = { ...exec, region: "of-dev" };

  test("that keyhole gave is not the caller's, and no other config's", () => {
    const inside = environmentInside(plain, gift, cwd);
    expect(inside).toMatchObject({ AWS_REGION: "of-dev", AWS_DEFAULT_REGION: "of-dev" });
    expect(environmentOutside(inside)).toEqual(plain);
    expect(environmentInside(inside, { ...other, region: "of-other" }, cwd)).toMatchObject({ AWS_REGION: "of-other" });
    expect(environmentInside(inside, other, cwd)).not.toHaveProperty("AWS_REGION");
  });

  test("that the caller has is the caller's, inside as well", () => {
    const outer = { ...plain, AWS_REGION: "mine", AWS_DEFAULT_REGION: "mine" };
    const inside = environmentInside(outer, gift, cwd);
    expect(inside).toMatchObject({ AWS_REGION: "mine" });
    expect(environmentOutside(inside)).toEqual(outer);
    const moved = { ...environmentInside(plain, gift, cwd), AWS_REGION: "moved" };
    expect(environmentOutside(moved)).toEqual({ ...plain, AWS_REGION: "moved" });
  });
});

test("outside of keyhole's programs an environment is what it is", () => {
  for (const outer of [plain, withKeys, withProfile]) expect(environmentOutside(outer)).toEqual(outer);
});
