import { describe, expect, test } from "bun:test";
import {
  definedVariables,
  regionVariables,
  selectBaseEnvironment,
  selectDaemonEnvironment,
  selectSourceEnvironment,
} from "../src/environment.ts";

/** Asking where one is costs a system call on the way to every credential. */
function noDirectory(): string {
  throw new Error("the directory was asked for");
}

describe("selectSourceEnvironment", () => {
  test.each([
    "AWS_PROFILE",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
    "HTTPS_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "KEYHOLE_CHAIN",
    "KEYHOLE_HOME",
    "PATH",
    "HOME",
  ])("takes %s", (name) => {
    expect(selectSourceEnvironment({ [name]: "/value" }, noDirectory)).toEqual({ [name]: "/value" });
  });

  test.each([
    "AWS_PAGER",
    "AWS_ENDPOINT_URL_SSO",
    "GITHUB_TOKEN",
    "KEYHOLE_CONFIG",
    "BUN_OPTIONS",
    "LD_PRELOAD",
    "NODE_OPTIONS",
    "aws_profile",
  ])("leaves %s behind", (name) => {
    expect(selectSourceEnvironment({ [name]: "/value" }, noDirectory)).toEqual({});
  });

  test("treats an empty variable as unset", () => {
    expect(selectSourceEnvironment({ AWS_PROFILE: "", HOME: undefined }, noDirectory)).toEqual({});
  });

  test.each([
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "KEYHOLE_HOME",
    "KEYHOLE_SOCKET",
    "KEYHOLE_CONFIG_DIR",
  ])("makes %s absolute", (name) => {
    expect(selectSourceEnvironment({ [name]: "../a b" }, () => "/here")).toEqual({ [name]: "/here/../a b" });
  });

  test.each([
    { name: "AWS_CONFIG_FILE", is: "~/x" },
    { name: "AWS_SHARED_CREDENTIALS_FILE", is: "~/x" },
    { name: "AWS_CA_BUNDLE", is: "/here/~/x" },
  ])("takes ~/ in $name as the SDKs do", ({ name, is }) => {
    expect(selectSourceEnvironment({ [name]: "~/x" }, () => "/here")).toEqual({ [name]: is });
  });

  test("asks for no directory where nothing is relative", () => {
    const environment = { AWS_PROFILE: "a", AWS_CONFIG_FILE: "/a", AWS_SHARED_CREDENTIALS_FILE: "~/b", PATH: "c" };
    expect(selectSourceEnvironment(environment, noDirectory)).toEqual(environment);
  });
});

describe("the region of a child", () => {
  const named = "from-config";
  test.each([
    { outer: {}, AWS_REGION: named, AWS_DEFAULT_REGION: named },
    { outer: { AWS_REGION: "", AWS_DEFAULT_REGION: "" }, AWS_REGION: named, AWS_DEFAULT_REGION: named },
    { outer: { AWS_REGION: "a" }, AWS_REGION: "a", AWS_DEFAULT_REGION: "a" },
    { outer: { AWS_DEFAULT_REGION: "b" }, AWS_REGION: "b", AWS_DEFAULT_REGION: "b" },
    { outer: { AWS_REGION: "a", AWS_DEFAULT_REGION: "b" }, AWS_REGION: "a", AWS_DEFAULT_REGION: "b" },
  ])("of a caller with $outer is $AWS_REGION, $AWS_DEFAULT_REGION", ({ outer, ...expected }) => {
    expect(regionVariables(outer, named)).toEqual(expected);
  });

  test("is none where nothing names one", () => {
    expect(regionVariables({}, undefined)).toEqual({});
  });
});

test("a child gets the names that have a value, an empty one too", () => {
  expect(definedVariables({ A: "1", B: undefined, C: "" })).toEqual({ A: "1", C: "" });
});

test("a daemon has nobody's AWS_*, nothing that the runtime obeys, and no marker of whoever started it", () => {
  const kept = { HOME: "/h", PATH: "/bin", https_proxy: "p", NO_PROXY: "*", SSL_CERT_FILE: "/c", KEYHOLE_HOME: "/k" };
  const dropped = { AWS_PROFILE: "a", BUN_OPTIONS: "b", NODE_OPTIONS: "c", LD_PRELOAD: "d", KEYHOLE_CHAIN: "e" };
  expect(selectDaemonEnvironment({ ...kept, ...dropped })).toEqual(kept);
});

test("what a daemon spawns gets none of the daemon's own settings", () => {
  const environment = { HOME: "/h", https_proxy: "p", KEYHOLE_SOCKET: "/s", KEYHOLE_SOURCE_AWS_PROFILE: "a" };
  expect(selectBaseEnvironment(environment)).toEqual({ HOME: "/h", https_proxy: "p" });
});
