import { expect, test } from "bun:test";
import { grantVariables, refreshingConfigPath, refreshingVariables } from "../../../src/cli/programs/refreshing.ts";
import { resolvePaths } from "../../../src/paths.ts";

const paths = resolvePaths({ HOME: "/home/a" }, {}, () => "/here");
const files = ["/home/a/.aws/config", "/home/a/.aws/credentials"];
const otherPaths = resolvePaths({ HOME: "/home/a" }, { socket: "/other.sock" }, () => "/here");

test("a program is led to keyhole's files, or to a grant's", () => {
  expect(refreshingVariables(paths, "dev", files)).toEqual({
    AWS_CONFIG_FILE: refreshingConfigPath(paths, "dev", files),
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

test("two configs, two daemons, and two shells with other profiles, have two files", () => {
  const names = [
    refreshingConfigPath(paths, "dev", files),
    refreshingConfigPath(paths, "other", files),
    refreshingConfigPath(otherPaths, "dev", files),
    refreshingConfigPath(paths, "dev", ["/elsewhere/config", undefined]),
  ];
  expect(new Set(names).size).toBe(4);
  for (const name of names) expect(name).toMatch(/^\/home\/a\/\.keyhole\/run\/(dev|other)-[0-9a-f]{8}\.config$/);
});
