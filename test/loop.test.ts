import { expect, test } from "bun:test";
import { appendChain, chainOf, findLoop, refuseLoop } from "../src/loop.ts";
import { profileConfigName } from "../src/config/name.ts";
import { thrownBy } from "./thrown.ts";

const SOCKET = "/home/a, b/.keyhole/sock/daemon.sock";

test("without a marker nobody waits", () => {
  expect(chainOf({})).toEqual([]);
  expect(() => refuseLoop({}, "a", SOCKET)).not.toThrow();
});

test("two different configs are no loop", () => {
  const environment = appendChain({ PATH: "/bin" }, "a", SOCKET);
  expect(environment.PATH).toBe("/bin");
  expect(() => refuseLoop(environment, "b", SOCKET)).not.toThrow();
});

test("one name of two daemons is no loop", () => {
  expect(() => refuseLoop(appendChain({}, "a", "/one.sock"), "a", "/two.sock")).not.toThrow();
});

test.each([
  { names: ["a"], asked: "a", loop: "a -> a" },
  { names: ["a", "b"], asked: "a", loop: "a -> b -> a" },
  { names: ["first", "a", "b"], asked: "a", loop: "a -> b -> a" },
])("$loop is refused", ({ names, asked, loop }) => {
  let environment: Record<string, string> = {};
  for (const name of names) environment = appendChain(environment, name, SOCKET);
  const refused = thrownBy(() => refuseLoop(environment, asked, SOCKET));
  expect(refused).toMatchObject({ kind: "credential-loop", exitStatus: 1 });
  expect(refused.message).toEndWith(loop);
});

test("a loop that begins at a profile is looked for in the profile, which no config has", () => {
  const name = profileConfigName("my dev");
  const refused = thrownBy(() => refuseLoop(appendChain({}, name, SOCKET), name, SOCKET));
  expect(refused).toMatchObject({ hint: "aws configure get credential_process --profile 'my dev'" });
});

test("the refusal of a loop is found in what a program said", () => {
  const refused = thrownBy(() => refuseLoop(appendChain({}, "a", SOCKET), "a", SOCKET));
  expect(findLoop(`Command failed: x\nkeyhole: error: ${refused.message}\nkeyhole: hint: y`)).toEqual(refused);
  expect(findLoop("keyhole: error: no such config")).toBeUndefined();
});

test("a marker that nobody of ours wrote does no harm", () => {
  expect(() => refuseLoop({ KEYHOLE_CHAIN: ",%zz,@@,a" }, "a", SOCKET)).not.toThrow();
});
