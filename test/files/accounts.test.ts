import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountsRevision, parseAccounts, readAccounts, withHome } from "../../src/files/accounts.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/bash
# a comment
agent:x:1001:1001::/home/agent:/bin/sh
agent:x:0:0::/root:/bin/sh
+nis::::::
broken:x:x:1::/:/bin/sh

`;
const GROUP = "root:x:0:\nkeyhole:x:990:agent,operator\nbroken:x:\n";

test("users and groups are found by name, the first line of a name counting", () => {
  const accounts = parseAccounts(PASSWD, GROUP);
  expect(accounts.user("agent")).toEqual({ name: "agent", uid: 1001, gid: 1001, home: "/home/agent" });
  expect(accounts.group("keyhole")).toEqual({ name: "keyhole", gid: 990, members: ["agent", "operator"] });
});

test.each(["nobody", "broken", "+nis", "", "# a comment"])("%j is nobody", (name) => {
  const accounts = parseAccounts(PASSWD, GROUP);
  expect([accounts.user(name), accounts.group(name)]).toEqual([undefined, undefined]);
});

test.each([
  ["its owner's primary one", 1001, 1001, true],
  ["its owner's only as a member", 1002, 1001, true],
  ["another user's as well, primary", 1003, 1003, false],
  ["another user's as well, as a member", 1004, 1004, false],
  ["another user's", 1001, 1003, false],
  ["nobody's", 1005, 1001, false],
  ["in no file", 1006, 1006, false],
] as const)("a group that is %s is private or not", (_, gid, uid, isPrivate) => {
  const passwd = [1001, 1003, 1004, 1006].map((id) => `u${id}:x:${id}:${id}::/:/bin/sh`);
  const group = [
    "g1001:x:1001:",
    "g1002:x:1002:u1001",
    "g1003:x:1003:u1003",
    "g1004:x:1004:u1001,u1004",
    "g1005:x:1005:",
  ];
  const accounts = parseAccounts([...passwd, "other:x:2000:1003::/:/bin/sh"].join("\n"), group.join("\n"));
  expect(accounts.isPrivateGroup(gid, uid)).toBe(isPrivate);
});

test("files that are not there have nobody in them, and a change of one changes the revision", () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-accounts-"));
  const files = { passwd: join(directory, "passwd"), group: join(directory, "group") };
  expect(readAccounts(files).user("agent")).toBeUndefined();
  const before = accountsRevision(files);
  writeFileSync(files.passwd, PASSWD);
  expect(accountsRevision(files)).not.toBe(before);
  expect(readAccounts(files).user("agent")?.uid).toBe(1001);
  rmSync(directory, { recursive: true });
});

const read = () => parseAccounts(PASSWD, GROUP);

test("a home comes from the user database only where the environment has none", () => {
  expect(withHome({ PATH: "/bin" }, 1001, read)).toEqual({ PATH: "/bin", HOME: "/home/agent" });
  expect(withHome({ HOME: "" }, 1001, read)).toEqual({ HOME: "/home/agent" });
  for (const environment of [{ HOME: "/x" }, { HOME: "relative" }, { HOME: "/x", KEYHOLE_HOME: "/k" }]) {
    expect(withHome(environment, 1001, read)).toBe(environment);
  }
  expect(withHome({ KEYHOLE_HOME: "/k" }, 1001, read)).toEqual({ KEYHOLE_HOME: "/k", HOME: "/home/agent" });
  expect(withHome({ KEYHOLE_HOME: "/k" }, 4711, read)).toEqual({ KEYHOLE_HOME: "/k", HOME: "/k" });
  expect(withHome({}, 4711, read)).toEqual({});
});
