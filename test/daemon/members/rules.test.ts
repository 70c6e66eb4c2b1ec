import { describe, expect, test } from "bun:test";
import { parsePolicy } from "../../../src/daemon/members/rules.ts";
import { thrownBy } from "../../thrown.ts";

test("each rule names one user, uid, group or gid, and the configs it is for", () => {
  const text = `# who
allow:
  - { user: agent, configs: [dev, ci] }
  - group: keyhole
    configs:
      - readonly
  - { uid: 1001, configs: [dev] }
  - { gid: 0, configs: [dev] }
`;
  expect(parsePolicy(text, "shared.yaml")).toEqual([
    { subject: "user", value: "agent", configs: ["dev", "ci"], line: 3 },
    { subject: "group", value: "keyhole", configs: ["readonly"], line: 4 },
    { subject: "uid", value: "1001", configs: ["dev"], line: 7 },
    { subject: "gid", value: "0", configs: ["dev"], line: 8 },
  ]);
});

test.each(["allow: []", "allow:\n"])("%j allows nobody anything, and is no error", (text) => {
  expect(parsePolicy(text, "f")).toEqual([]);
});

describe("what is not certain is refused, with file, line and key (A-034)", () => {
  test.each([
    ["", "f: the file must be a mapping"],
    ["- a", "f: the file must be a mapping"],
    ["allow: everybody", "f: line 1: allow must be a list of rules"],
    ["{}", "f: allow is required"],
    ["allow: []\ndeny: []", "f: the file has a key that is not known; known here: allow"],
    [
      "allow:\n  - [all]",
      "f: line 2: allow[0].configs is required\nf: line 2: allow[0] has a key that is not known; known here: user, uid, group, gid, configs",
    ],
    ["allow:\n  - all", "f: line 2: allow[0] must be a mapping"],
    ["allow:\n  - { user: a }", "f: line 2: allow[0].configs is required"],
    ["allow:\n  - { user: a, configs: [] }", "f: line 2: allow[0].configs must name a config"],
    ["allow:\n  - { user: a, configs: dev }", "f: line 2: allow[0].configs must be a list of configs' names"],
    [
      "allow:\n  - { user: a, configs: ['*'] }",
      "f: line 2: allow[0].configs[0] must be the name of a config; each is listed by its name",
    ],
    ["allow:\n  - { configs: [a] }", "f: line 2: allow[0] must have one of user, uid, group, gid"],
    ["allow:\n  - { user: a, gid: 1, configs: [a] }", "f: line 2: allow[0] must have one of user, uid, group, gid"],
    [
      "allow:\n  - { users: [a], configs: [a] }",
      "f: line 2: allow[0] has a key that is not known; known here: user, uid, group, gid, configs",
    ],
    ["allow:\n  - { user: 1000, configs: [a] }", "f: line 2: allow[0].user must be a name; a number stands under uid"],
    [
      "allow:\n  - { user: '1000', configs: [a] }",
      "f: line 2: allow[0].user must be a name; a number stands under uid",
    ],
    ["allow:\n  - { group: 0, configs: [a] }", "f: line 2: allow[0].group must be a name; a number stands under gid"],
    ["allow:\n  - { user: '*', configs: [a] }", "f: line 2: allow[0].user must be a name; a number stands under uid"],
    ["allow:\n  - { uid: root, configs: [a] }", "f: line 2: allow[0].uid must be a number"],
    ["allow:\n  - { uid: -1, configs: [a] }", "f: line 2: allow[0].uid must not be negative"],
    ["allow:\n  - { uid: 4294967295, configs: [a] }", "f: line 2: allow[0].uid must be at most 4294967294"],
    ["allow:\n  - { uid: 1.5, configs: [a] }", "f: line 2: allow[0].uid must be a whole number"],
  ])("%j", (text, message) => {
    const error = thrownBy(() => parsePolicy(text, "f"));
    expect([error.kind, error.message]).toEqual(["invalid-config", message]);
  });

  test.each(["allow: []\nallow: []", "allow: &a []", "allow: [", "\u0000"])("%j is no YAML for a policy", (text) => {
    expect(thrownBy(() => parsePolicy(text, "f"))).toMatchObject({ kind: "invalid-config" });
  });
});
