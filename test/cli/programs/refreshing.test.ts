import { describe, expect, test } from "bun:test";
import {
  emptyCredentialsPath,
  refreshingConfigPath,
  refreshingEnvironment,
  sourceEnvironment,
} from "../../../src/cli/programs/refreshing.ts";
import { rivals } from "../../../src/environment.ts";
import { resolvePaths } from "../../../src/paths.ts";

const paths = resolvePaths({ HOME: "/home/a" }, {}, () => "/here");
/** No path in these environments is relative. */
const cwd = (): string => {
  throw new Error("the directory was asked for");
};
const otherPaths = resolvePaths({ HOME: "/home/a" }, { socket: "/other.sock" }, () => "/here");

const outer = {
  PATH: "/bin",
  HOME: "/home/a",
  KEYHOLE_SOCKET: "/s",
  AWS_PROFILE: "base",
  AWS_CONFIG_FILE: "/home/a/aws",
  AWS_ACCESS_KEY_ID: "AKIA",
  AWS_SECRET_ACCESS_KEY: "SECRET",
  AWS_SESSION_TOKEN: "TOKEN",
  AWS_ENDPOINT_URL: "http://127.0.0.1:1",
};

describe("the environment inside", () => {
  const inner = refreshingEnvironment(outer, paths, "dev", cwd);

  test("holds none of the variables that would win over the config file, and no key under another name", () => {
    for (const name of rivals) expect(inner).not.toHaveProperty(name);
    expect(JSON.stringify(inner)).not.toMatch(/SECRET|TOKEN|AKIA/);
  });

  test("points to keyhole's files and keeps the rest", () => {
    expect(inner).toMatchObject({
      PATH: "/bin",
      KEYHOLE_SOCKET: "/s",
      AWS_ENDPOINT_URL: "http://127.0.0.1:1",
      AWS_CONFIG_FILE: refreshingConfigPath(paths, "dev"),
      AWS_SHARED_CREDENTIALS_FILE: emptyCredentialsPath(paths),
      AWS_SDK_LOAD_CONFIG: "1",
    });
  });
});

describe("adding the session again from inside", () => {
  test("uses what the outer environment selected, because the inner one is keyhole itself", () => {
    const inner = refreshingEnvironment(outer, paths, "dev", cwd);
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, ...selection } = outer;
    expect([AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN]).not.toContain(undefined);
    expect(sourceEnvironment(inner, paths, "dev", cwd)).toEqual(selection);
  });

  test("works in a shell in a shell as well", () => {
    const inner = refreshingEnvironment(outer, paths, "dev", cwd);
    const innermost = refreshingEnvironment(inner, paths, "dev", cwd);
    expect(sourceEnvironment(innermost, paths, "dev", cwd)).toEqual(sourceEnvironment(inner, paths, "dev", cwd));
  });

  test("forgets what an outer shell of another config remembered", () => {
    const other = refreshingEnvironment(outer, paths, "other", cwd);
    const inner = refreshingEnvironment(other, paths, "dev", cwd);
    // The source of dev is then the role of `other`, as the environment in between says.
    expect(sourceEnvironment(inner, paths, "dev", cwd)["AWS_CONFIG_FILE"]).toBe(refreshingConfigPath(paths, "other"));
    expect(sourceEnvironment(inner, paths, "dev", cwd)).not.toHaveProperty("AWS_PROFILE");
  });

  test("of another config chains from the role of this one", () => {
    const inner = refreshingEnvironment(outer, paths, "dev", cwd);
    expect(sourceEnvironment(inner, paths, "other", cwd)["AWS_CONFIG_FILE"]).toBe(refreshingConfigPath(paths, "dev"));
  });

  test("means the files that the outer environment meant, wherever the shell has gone since", () => {
    const relative = { ...outer, AWS_CONFIG_FILE: "config", AWS_SHARED_CREDENTIALS_FILE: "~/keys" };
    const inner = refreshingEnvironment(relative, paths, "dev", () => "/here");
    expect(sourceEnvironment(inner, paths, "dev", cwd)).toMatchObject({
      AWS_CONFIG_FILE: "/here/config",
      AWS_SHARED_CREDENTIALS_FILE: "~/keys",
    });
  });

  test("outside of any shell uses the environment as it is", () => {
    expect(sourceEnvironment(outer, paths, "dev", cwd)).toEqual(outer);
  });
});

test("two configs, and two daemons, have two files", () => {
  const names = [
    refreshingConfigPath(paths, "dev"),
    refreshingConfigPath(paths, "other"),
    refreshingConfigPath(otherPaths, "dev"),
  ];
  expect(new Set(names).size).toBe(3);
  for (const name of names) expect(name).toMatch(/^\/home\/a\/\.keyhole\/run\/(dev|other)-[0-9a-f]{8}\.config$/);
});
