import { expect, test } from "bun:test";
import { Keyring } from "../../../src/daemon/sessions/static-keys.ts";

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
