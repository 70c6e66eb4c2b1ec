import { expect, test } from "bun:test";
import { completeKeys } from "../../../src/daemon/sessions/static-keys.ts";
import { KeyholeError } from "../../../src/errors.ts";

const keys = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "secret", AWS_SESSION_TOKEN: "token" };
const inside = { HOME: "/h", AWS_ACCESS_KEY_ID: "AKIA1", KEYHOLE_SOURCE_SESSION: "dev" };
const complete = (environment: Record<string, string>, known?: Record<string, string>) =>
  completeKeys(environment, "other", (session) => (session === "dev" ? known : undefined));

test("keys that are named by their id are those of the session that has them", () => {
  expect(complete(inside, keys)).toEqual({ HOME: "/h", ...keys });
  const { AWS_SESSION_TOKEN, ...lasting } = keys;
  expect(AWS_SESSION_TOKEN).toBe("token");
  expect(complete(inside, lasting)).toEqual({ HOME: "/h", ...lasting });
});

test.each([
  ["there is no such session", undefined],
  ["it has other keys", { ...keys, AWS_ACCESS_KEY_ID: "AKIA2" }],
  ["its source is another", { AWS_PROFILE: "dev" }],
])("where %s, the error says where to add the config", (_, known) => {
  expect(() => complete(inside, known)).toThrow(
    expect.objectContaining({
      kind: "no-source-credentials",
      message: expect.stringContaining("AKIA1") as string,
      hint: "leave this shell, and there: keyhole daemon add -n other",
    }) as KeyholeError,
  );
});

test("everything else is what it is", () => {
  for (const environment of [{}, { AWS_PROFILE: "a" }, keys, { AWS_ACCESS_KEY_ID: "AKIA1" }]) {
    expect(complete({ ...environment })).toEqual(environment);
    if (environment === keys) expect(complete({ ...keys, KEYHOLE_SOURCE_SESSION: "dev" })).toEqual(keys);
  }
});
