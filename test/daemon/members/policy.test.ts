import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Member,
  NO_MEMBER,
  type PolicyReader,
  type PolicyState,
  decide,
  openPolicy,
} from "../../../src/daemon/members/policy.ts";
import { parseAccounts } from "../../../src/files/accounts.ts";
import type { Rule } from "../../../src/daemon/members/rules.ts";

let directory: string;
let path: string;
let states: PolicyState[];
let policy: PolicyReader;
const OWN = process.getuid!();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-policy-"));
  path = join(directory, "shared.yaml");
  states = [];
  const files = { passwd: join(directory, "passwd"), group: join(directory, "group") };
  policy = openPolicy(path, OWN, (state) => states.push(state), files);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const write = (text: string) => writeFileSync(path, text, { mode: 0o600 });
const isAllowed = (uid = 1001) => policy.current().decision.allows({ uid, gid: 1 }, "dev");

test("without a file no member is served, and that is said once", () => {
  expect([isAllowed(), isAllowed()]).toEqual([false, false]);
  expect(states.map(({ problems }) => problems)).toEqual([[`there is no policy file ${path}: no member is served`]]);
});

test("a change of the file counts at the next question", () => {
  write("allow: [{ uid: 1001, configs: [dev] }]");
  expect([isAllowed(), isAllowed(1002)]).toEqual([true, false]);
  write("allow: [{ uid: 1002, configs: [dev] }]");
  expect([isAllowed(), isAllowed(1002)]).toEqual([false, true]);
  unlinkSync(path);
  expect([isAllowed(), isAllowed(1002)]).toEqual([false, false]);
  expect(states).toHaveLength(3);
});

test("a file that is broken serves nobody until it is mended", () => {
  write("allow: [{ uid: 1001, configs: [dev] }]");
  expect(isAllowed()).toBe(true);
  write("allow: [{ uid: 1001, configs: [dev] }");
  expect(isAllowed()).toBe(false);
  expect(policy.current().problems[0]).toStartWith(`${path}: `);
  expect(policy.current().problems[0]).toEndWith("no member is served");
  write("allow: [{ uid: 1001, configs: [dev] }]");
  expect([isAllowed(), policy.current().problems]).toEqual([true, []]);
});

test.each([
  ["that others may write", () => chmodSync(path, 0o622)],
  ["in a directory that others may write", () => chmodSync(directory, 0o777)],
  ["that is a link to nothing", () => (unlinkSync(path), symlinkSync(join(directory, "none"), path))],
  ["that is not UTF-8", () => writeFileSync(path, new Uint8Array([0xff]))],
  ["that is too long", () => writeFileSync(path, `allow: [] #${"x".repeat(70_000)}`)],
])("a file %s serves nobody", (_, spoil) => {
  write("allow: [{ uid: 1001, configs: [dev] }]");
  spoil();
  expect(isAllowed()).toBe(false);
  expect(policy.current().problems).toHaveLength(1);
});

test("a user who is made later is served from then on, without a change of the policy", () => {
  write("allow: [{ user: agent, configs: [dev] }]");
  expect(isAllowed()).toBe(false);
  expect(policy.current().problems).toEqual([`${path}: no such user agent (line 1): its rule has no effect`]);
  writeFileSync(join(directory, "passwd"), "agent:x:1001:1001::/:/bin/sh\n");
  expect([isAllowed(), policy.current().problems]).toEqual([true, []]);
});

test("reloading reads again", () => {
  policy.current();
  policy.reload();
  expect(states).toHaveLength(2);
});

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
