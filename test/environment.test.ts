import { describe, expect, test } from "bun:test";
import { appendChain, chainOf, findLoop, refuseLoop, selectSourceEnvironment } from "../src/environment.ts";
import { KeyholeError } from "../src/errors.ts";

const SOCKET = "/home/a, b/.keyhole/sock/daemon.sock";

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
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
    "KEYHOLE_CHAIN",
    "KEYHOLE_HOME",
    "PATH",
    "HOME",
  ])("takes %s", (name) => {
    expect(selectSourceEnvironment({ [name]: "/value" }, noDirectory)).toEqual({ [name]: "/value" });
  });

  test.each(["AWS_PAGER", "GITHUB_TOKEN", "BUN_OPTIONS", "LD_PRELOAD", "NODE_OPTIONS", "aws_profile"])(
    "leaves %s behind",
    (name) => {
      expect(selectSourceEnvironment({ [name]: "/value" }, noDirectory)).toEqual({});
    },
  );

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
  ])("makes %s absolute", (name) => {
    expect(selectSourceEnvironment({ [name]: "../a b" }, () => "/work")).toEqual({ [name]: "/work/../a b" });
  });

  test.each([
    { name: "AWS_CONFIG_FILE", is: "~/x" },
    { name: "AWS_SHARED_CREDENTIALS_FILE", is: "~/x" },
    { name: "AWS_CA_BUNDLE", is: "/work/~/x" },
  ])("takes ~/ in $name as the SDKs do", ({ name, is }) => {
    expect(selectSourceEnvironment({ [name]: "~/x" }, () => "/work")).toEqual({ [name]: is });
  });

  test("asks for no directory where nothing is relative", () => {
    const environment = { AWS_PROFILE: "a", AWS_CONFIG_FILE: "/a", AWS_SHARED_CREDENTIALS_FILE: "~/b", PATH: "c" };
    expect(selectSourceEnvironment(environment, noDirectory)).toEqual(environment);
  });
});

describe("the chain", () => {
  test("is empty without a marker", () => {
    expect(chainOf({})).toEqual([]);
    expect(() => refuseLoop({}, "a", SOCKET)).not.toThrow();
  });

  test("passes two different configs", () => {
    const environment = appendChain({ PATH: "/bin" }, "a", SOCKET);
    expect(environment.PATH).toBe("/bin");
    expect(() => refuseLoop(environment, "b", SOCKET)).not.toThrow();
  });

  test("passes one name of two daemons", () => {
    expect(() => refuseLoop(appendChain({}, "a", "/one.sock"), "a", "/two.sock")).not.toThrow();
  });

  test.each([
    { names: ["a"], asked: "a", loop: "a -> a" },
    { names: ["a", "b"], asked: "a", loop: "a -> b -> a" },
    { names: ["first", "a", "b"], asked: "a", loop: "a -> b -> a" },
  ])("refuses $loop", ({ names, asked, loop }) => {
    let environment: Record<string, string> = {};
    for (const name of names) environment = appendChain(environment, name, SOCKET);
    const refused = catchError(() => refuseLoop(environment, asked, SOCKET));
    expect(refused).toMatchObject({ kind: "credential-loop", exitStatus: 1 });
    expect(refused.message).toEndWith(loop);
  });

  test("finds the refusal of a loop in what a program said", () => {
    const refused = catchError(() => refuseLoop(appendChain({}, "a", SOCKET), "a", SOCKET));
    expect(findLoop(`Command failed: x\nkeyhole: error: ${refused.message}\nkeyhole: hint: y`)).toEqual(refused);
    expect(findLoop("keyhole: error: no such config")).toBeUndefined();
  });

  test("survives a marker that it did not write", () => {
    expect(() => refuseLoop({ KEYHOLE_CHAIN: ",%zz,@@,a" }, "a", SOCKET)).not.toThrow();
  });
});

function catchError(action: () => void): KeyholeError {
  try {
    action();
  } catch (error) {
    if (error instanceof KeyholeError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
