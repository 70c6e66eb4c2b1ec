import { expect, test } from "bun:test";
import { grantVariables, refreshingConfigPath, refreshingVariables } from "../../../src/cli/programs/refreshing.ts";
import { resolvePaths } from "../../../src/paths.ts";

const paths = resolvePaths({ HOME: "/home/a" }, {}, () => "/here");
const otherPaths = resolvePaths({ HOME: "/home/a" }, { socket: "/other.sock" }, () => "/here");

test("a program is led to keyhole's files, or to a grant's", () => {
  expect(refreshingVariables(paths, "dev")).toEqual({
    AWS_CONFIG_FILE: refreshingConfigPath(paths, "dev"),
    AWS_SHARED_CREDENTIALS_FILE: "/home/a/.keyhole/run/credentials",
    AWS_SDK_LOAD_CONFIG: "1",
  });
  expect(grantVariables("/run/keyhole")).toEqual({
    AWS_CONFIG_FILE: "/run/keyhole/aws-config",
    AWS_SHARED_CREDENTIALS_FILE: "/run/keyhole/credentials",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SDK_LOAD_CONFIG: "1",
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
