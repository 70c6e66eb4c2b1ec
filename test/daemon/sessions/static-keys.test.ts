import { expect, test } from "bun:test";
import { Keyring, completeKeys } from "../../../src/daemon/sessions/static-keys.ts";
import { KeyholeError } from "../../../src/errors.ts";

const keysOf = (id: string, more = {}) => ({
  AWS_ACCESS_KEY_ID: id,
  AWS_SECRET_ACCESS_KEY: `secret of ${id}`,
  ...more,
});

function newKeyring() {
  let added = 0;
  const keyring = new Keyring(() => (added += 1));
  return { keyring, added: () => added };
}

test("an environment is completed with keys of that id, and nothing else of whoever had them", () => {
  const { keyring } = newKeyring();
  keyring.note({ HOME: "/other", AWS_PROFILE: "other", ...keysOf("AKIA1", { AWS_SESSION_TOKEN: "t" }) });
  expect(keyring.complete({ HOME: "/h" }, "AKIA1")).toEqual({
    HOME: "/h",
    ...keysOf("AKIA1", { AWS_SESSION_TOKEN: "t" }),
  });
  expect(keyring.complete({}, "AKIA2")).toBeUndefined();
});

test("half a pair is none, and the same keys are no news", () => {
  const { keyring, added } = newKeyring();
  keyring.note({ AWS_ACCESS_KEY_ID: "AKIA1" });
  keyring.note({ AWS_SECRET_ACCESS_KEY: "s" });
  expect([keyring.complete({}, "AKIA1"), added()]).toEqual([undefined, 0]);
  keyring.note(keysOf("AKIA1"));
  keyring.note(keysOf("AKIA1"));
  expect(added()).toBe(1);
});

test("another secret of an id takes the place of one that has given no credentials, and of no other", () => {
  const { keyring, added } = newKeyring();
  const wrong = { ...keysOf("AKIA1"), AWS_SECRET_ACCESS_KEY: "wrong" };
  keyring.note(wrong);
  keyring.note(keysOf("AKIA1"));
  expect([keyring.complete({}, "AKIA1"), added()]).toEqual([keysOf("AKIA1"), 2]);
  keyring.confirm(keysOf("AKIA1"));
  keyring.note(wrong);
  expect([keyring.complete({}, "AKIA1"), added()]).toEqual([keysOf("AKIA1"), 2]);
});

test("the latest are kept", () => {
  const { keyring } = newKeyring();
  for (let index = 0; index < 64; index += 1) keyring.note(keysOf(`AKIA${index}`));
  keyring.note(keysOf("AKIA0"));
  keyring.note(keysOf("AKIA64"));
  expect(["AKIA0", "AKIA1", "AKIA2"].map((id) => keyring.complete({}, id) !== undefined)).toEqual([true, false, true]);
});

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
