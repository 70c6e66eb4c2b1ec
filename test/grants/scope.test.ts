import { describe, expect, test } from "bun:test";
import { checkSchema } from "../../src/config/check.ts";
import type { AssumeRoleSection, Config } from "../../src/config/config.ts";
import type { GrantScope } from "../../src/grants/grant.ts";
import { applyScope, findScopeProblems } from "../../src/grants/scope.ts";
import { thrownBy } from "../thrown.ts";
import { NO_TERMS } from "./fakes/grants.ts";

type Scope = Parameters<typeof applyScope>[1];

const ROLE = "arn:aws:iam::123456789012:role/agent";
const ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const PLAIN: Scope = { ...NO_TERMS, sessionName: "keyhole-ci-0a1b2c3d", identity: undefined };

const configOf = (role: Partial<AssumeRoleSection> = {}): Config => ({
  AssumeRole: { RoleArn: ROLE, ...role },
  Session: { profile_name: "dev" },
});

const apply = (scope: Partial<Scope>, role: Partial<AssumeRoleSection> = {}) =>
  applyScope(configOf(role), { ...PLAIN, ...scope });

const refusal = (scope: Partial<Scope>, role: Partial<AssumeRoleSection> = {}) => {
  const error = thrownBy(() => apply(scope, role));
  expect(error.kind).toBe("invalid-grant");
  return error.message;
};

test("a grant that adds nothing is the config under its own session name", () => {
  const config = configOf({ RoleSessionName: "mine", DurationSeconds: 7200, Policy: "{}", ExternalId: "ext" });
  expect(applyScope(config, PLAIN)).toEqual({
    ...config,
    AssumeRole: { ...config.AssumeRole!, RoleSessionName: "keyhole-ci-0a1b2c3d" },
  });
});

test("everything that a grant brings is added", () => {
  const { AssumeRole } = apply(
    {
      policy: "{}",
      policyArns: [ARN],
      tags: [{ key: "team", value: "a" }],
      sourceIdentity: "ann",
      durationSeconds: 900,
    },
    { Tags: [{ Key: "cost", Value: "1" }], TransitiveTagKeys: ["cost"], DurationSeconds: 7200, PolicyArns: [] },
  );
  expect(AssumeRole).toEqual({
    RoleArn: ROLE,
    RoleSessionName: "keyhole-ci-0a1b2c3d",
    Policy: "{}",
    PolicyArns: [ARN],
    Tags: [
      { Key: "cost", Value: "1" },
      { Key: "team", Value: "a" },
    ],
    TransitiveTagKeys: ["cost"],
    SourceIdentity: "ann",
    DurationSeconds: 900,
  });
});

test("what comes out is a config that its own schema takes", () => {
  const { AssumeRole } = apply({ policy: "{}", policyArns: [ARN], tags: [{ key: "team", value: "" }] });
  const kept = Object.fromEntries(Object.entries(AssumeRole!).filter(([, value]) => value !== undefined));
  expect(checkSchema({ AssumeRole: kept })).toEqual({ config: { AssumeRole: kept } } as never);
});

test.each([
  ["socket", undefined, undefined],
  ["socket", true, true],
  ["file", undefined, true],
  ["file", false, true],
] as const)("a grant by %s of a config with pin: %p has pin: %p", (deliver, pin, expected) => {
  expect(applyScope({ ...configOf(), pin }, { ...PLAIN, deliver }).pin).toBe(expected);
});

describe("a grant never widens its config", () => {
  const WIDENS = /^the config has session policies of its own, and STS would allow what either allows, which widens/;

  test.each([
    ["a policy, a policy", { policy: "{}" }, { Policy: "{}" }],
    ["a policy, an ARN", { policy: "{}" }, { PolicyArns: [ARN] }],
    ["an ARN, a policy", { policyArns: [ARN] }, { Policy: "{}" }],
    ["an ARN, an ARN", { policyArns: [ARN] }, { PolicyArns: [ARN] }],
  ])("%s: refused", (_, scope, role) => {
    expect(refusal(scope, role)).toMatch(WIDENS);
  });

  test("an empty list of ARNs is no policy", () => {
    expect(apply({ policy: "{}" }, { PolicyArns: [] }).AssumeRole?.Policy).toBe("{}");
  });
});

test("a tag whose key the config has, in whatever capitals, is refused", () => {
  expect(refusal({ tags: [{ key: "team", value: "b" }] }, { Tags: [{ Key: "Team", Value: "a" }] })).toBe(
    "the key of tag 1 is that of a tag of the config",
  );
});

test("tags of both are counted together", () => {
  const tags = Array.from({ length: 30 }, (_, index) => ({ key: `g${index}`, value: "" }));
  const theirs = Array.from({ length: 21 }, (_, index) => ({ Key: `c${index}`, Value: "" }));
  expect(refusal({ tags }, { Tags: theirs })).toBe("51 tags with those of the config, STS takes 50");
  expect(apply({ tags }, { Tags: theirs.slice(1) }).AssumeRole?.Tags?.length).toBe(50);
});

test("another source identity is refused, the same one is none", () => {
  expect(refusal({ sourceIdentity: "eve" }, { SourceIdentity: "ann" })).toBe(
    "the config has another source identity, which a grant must not replace",
  );
  expect(apply({ sourceIdentity: "ann" }, { SourceIdentity: "ann" }).AssumeRole?.SourceIdentity).toBe("ann");
  expect(apply({}, { SourceIdentity: "ann" }).AssumeRole?.SourceIdentity).toBe("ann");
});

test("STS's limits are named before anything is sent, all at once", () => {
  expect(refusal({ policyArns: Array.from({ length: 12 }, () => ARN), durationSeconds: 60 })).toBe(
    "12 policy ARNs, STS takes 10\nthe duration is 60 seconds, STS takes 900 to 43,200",
  );
});

/** A policy of that many characters. */
const policyOf = (length: number) => `{"a":"${"x".repeat(length - 8)}"}`;
const tagsOf = (count: number) => Array.from({ length: count }, (_, index) => ({ key: `key-${index}`, value: "v" }));

const cases: readonly (readonly [string, Partial<GrantScope>, readonly string[]])[] = [
  ["nothing", {}, []],
  ["a policy at the limit", { policy: policyOf(2048) }, []],
  ["a policy over it", { policy: policyOf(2311) }, ["the session policy has 2,311 characters, STS takes 2,048"]],
  ["a policy that is no object", { policy: "[]" }, ["the session policy must be a JSON object"]],
  ["an empty policy", { policy: "" }, ["the session policy must be a JSON object"]],
  [
    "a policy beyond Latin-1",
    { policy: '{"Sid":"\u4E2D"}' },
    [String.raw`the session policy has a character that STS does not take: write it as \uXXXX`],
  ],
  ["a policy of Latin-1", { policy: '{\n\t"Sid":"\u00E9"\r\n}' }, []],
  ["ten ARNs", { policyArns: Array.from({ length: 10 }, () => ARN) }, []],
  ["twelve ARNs", { policyArns: Array.from({ length: 12 }, () => ARN) }, ["12 policy ARNs, STS takes 10"]],
  [
    "an ARN of something else",
    { policyArns: [ARN, "arn:aws:iam::123456789012:role/x"] },
    ["policy ARN 2 must be the ARN of a managed policy, like arn:aws:iam::aws:policy/ReadOnlyAccess"],
  ],
  ["policy and ARN at the limit", { policy: policyOf(2048 - ARN.length), policyArns: [ARN] }, []],
  [
    "policy and ARN over it",
    { policy: policyOf(2048), policyArns: [ARN] },
    ["the session policy and the policy ARNs have 2,086 characters together, STS takes 2,048"],
  ],
  ["fifty tags", { tags: tagsOf(50) }, []],
  ["51 tags", { tags: tagsOf(51) }, ["51 tags, STS takes 50"]],
  [
    "the longest tag",
    // Letters of two UTF-16 units are one character to STS.
    { tags: [{ key: "\u{20000}".repeat(128), value: "v".repeat(256) }] },
    [],
  ],
  [
    "a longer tag",
    { tags: [{ key: "k".repeat(129), value: "v".repeat(1257) }] },
    ["the key of tag 1 has 129 characters, STS takes 128", "the value of tag 1 has 1,257 characters, STS takes 256"],
  ],
  [
    "tags with signs",
    {
      tags: [
        { key: "", value: "" },
        { key: "a$", value: "<b>" },
      ],
    },
    [
      "the key of tag 1 must be 1 to 128 letters, digits, spaces or _.:/=+-@",
      "the key of tag 2 must be 1 to 128 letters, digits, spaces or _.:/=+-@",
      "the value of tag 2 must be at most 256 letters, digits, spaces or _.:/=+-@",
    ],
  ],
  [
    "a tag of AWS's",
    { tags: [{ key: "AWS:x", value: "" }] },
    ["the key of tag 1 must not begin with aws:, which AWS keeps for itself"],
  ],
  [
    "one key twice",
    {
      tags: [
        { key: "Team", value: "a" },
        { key: "tEAM", value: "b" },
      ],
    },
    ["two tags have one key: STS does not tell capitals from small letters in keys"],
  ],
  ["the shortest duration", { durationSeconds: 900 }, []],
  ["the longest duration", { durationSeconds: 43_200 }, []],
  ["a shorter one", { durationSeconds: 899 }, ["the duration is 899 seconds, STS takes 900 to 43,200"]],
  ["a longer one", { durationSeconds: 43_201 }, ["the duration is 43,201 seconds, STS takes 900 to 43,200"]],
  ["a source identity", { sourceIdentity: "ann@example.com" }, []],
  [
    "a source identity that is none",
    { sourceIdentity: "aws:x" },
    ["the source identity must be 2 to 64 letters, digits or _+=,.@-"],
  ],
];

test.each(cases)("%s", (_, scope, problems) => {
  expect(findScopeProblems({ ...NO_TERMS, ...scope })).toEqual([...problems]);
});

test("everything that is wrong is said at once, and no value", () => {
  const problems = findScopeProblems({
    policy: "SECRET",
    policyArns: ["SECRET"],
    tags: [{ key: "SECRET!", value: "SECRET!" }],
    sourceIdentity: "SECRET!",
    durationSeconds: 1,
  });
  expect(problems.length).toBe(6);
  expect(problems.join("\n")).not.toContain("SECRET");
});

test("what a config without a role hands on is narrowed by nothing", () => {
  const config = { Session: { profile_name: "p" } };
  expect(applyScope(config, PLAIN)).toEqual({ ...config, pin: undefined });
  expect(applyScope(config, { ...PLAIN, deliver: "file" })).toEqual({ ...config, pin: true });
  const narrowed: Partial<Scope>[] = [
    { policy: "{}" },
    { policyArns: [ARN] },
    { tags: [{ key: "k", value: "v" }] },
    { sourceIdentity: "ann" },
    { durationSeconds: 900 },
  ];
  for (const scope of narrowed)
    expect(thrownBy(() => applyScope(config, { ...PLAIN, ...scope }))).toMatchObject({
      kind: "invalid-grant",
      message: expect.stringContaining("cannot be narrowed"),
    });
});

test("a grant that hands an identity on is none of a config that assumes a role by now", () => {
  expect(refusal({ identity: "arn:aws:sts::111122223333:assumed-role/dev/ann" })).toContain("assumes a role by now");
});
