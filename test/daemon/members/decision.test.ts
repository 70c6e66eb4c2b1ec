import { expect, test } from "bun:test";
import { parseAccounts } from "../../../src/files/accounts.ts";
import { decide, type Member, NO_MEMBER } from "../../../src/daemon/members/policy.ts";
import type { Rule } from "../../../src/daemon/members/rules.ts";

const accounts = parseAccounts("agent:x:1001:1001::/:/bin/sh", "keyhole:x:990:");
const rule = (subject: Rule["subject"], value: string, ...configs: string[]): Rule => ({
  subject,
  value,
  configs,
  line: 7,
});
const decision = decide(
  [
    rule("user", "agent", "dev"),
    rule("uid", "1001", "ci"),
    rule("group", "keyhole", "readonly"),
    rule("gid", "50", "print"),
    rule("user", "ghost", "dev"),
    rule("group", "ghosts", "dev"),
  ],
  accounts,
);

test.each<[member: Member, config: string, allowed: boolean]>([
  [{ uid: 1001, gid: 1 }, "dev", true],
  [{ uid: 1001, gid: 1 }, "ci", true],
  [{ uid: 1001, gid: 1 }, "readonly", false],
  [{ uid: 1001, gid: 1 }, "Dev", false],
  [{ uid: 7, gid: 990 }, "readonly", true],
  [{ uid: 7, gid: 1, groups: [4, 990] }, "readonly", true],
  [{ uid: 7, gid: 1, groups: [50] }, "print", true],
  // A number of a user is not one of a group.
  [{ uid: 990, gid: 1001 }, "dev", false],
  [{ uid: 50, gid: 1 }, "print", false],
  [{ uid: 0, gid: 0, groups: [] }, "dev", false],
])("%j may vend %s: %p", (member, config, allowed) => {
  expect(decision.allows(member, config)).toBe(allowed);
});

test("names that nobody has are named, and their rules serve nobody", () => {
  expect(decision.unknown).toEqual(["user ghost (line 7)", "group ghosts (line 7)"]);
});

test("without rules no member is served, root included", () => {
  for (const none of [decide([], accounts), NO_MEMBER]) expect(none.allows({ uid: 0, gid: 0 }, "dev")).toBe(false);
});
