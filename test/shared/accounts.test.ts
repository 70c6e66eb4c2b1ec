import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountsRevision, parseAccounts, readAccounts, withHome } from "../../src/shared/accounts.ts";

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
  for (const environment of [{ HOME: "/x" }, { HOME: "relative" }, { KEYHOLE_HOME: "/k" }]) {
    expect(withHome(environment, 1001, read)).toBe(environment);
  }
  expect(withHome({}, 4711, read)).toEqual({});
});
