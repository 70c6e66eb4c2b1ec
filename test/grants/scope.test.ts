import { describe, expect, test } from "bun:test";
import type { AssumeRoleSection, Config } from "../../src/config/config.ts";
import { checkSchema } from "../../src/config/check.ts";
import { applyScope } from "../../src/grants/scope.ts";
import { NO_TERMS } from "./fakes/grants.ts";
import { thrownBy } from "../thrown.ts";

type Scope = Parameters<typeof applyScope>[1];

const ROLE = "arn:aws:iam::123456789012:role/agent";
const ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const PLAIN: Scope = { ...NO_TERMS, sessionName: "keyhole-ci-0a1b2c3d" };

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
    AssumeRole: { ...config.AssumeRole, RoleSessionName: "keyhole-ci-0a1b2c3d" },
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
  const kept = Object.fromEntries(Object.entries(AssumeRole).filter(([, value]) => value !== undefined));
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
    expect(apply({ policy: "{}" }, { PolicyArns: [] }).AssumeRole.Policy).toBe("{}");
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
  expect(apply({ tags }, { Tags: theirs.slice(1) }).AssumeRole.Tags?.length).toBe(50);
});

test("another source identity is refused, the same one is none", () => {
  expect(refusal({ sourceIdentity: "eve" }, { SourceIdentity: "ann" })).toBe(
    "the config has another source identity, which a grant must not replace",
  );
  expect(apply({ sourceIdentity: "ann" }, { SourceIdentity: "ann" }).AssumeRole.SourceIdentity).toBe("ann");
  expect(apply({}, { SourceIdentity: "ann" }).AssumeRole.SourceIdentity).toBe("ann");
});

test("STS's limits are named before anything is sent, all at once", () => {
  expect(refusal({ policyArns: Array.from({ length: 12 }, () => ARN), durationSeconds: 60 })).toBe(
    "12 policy ARNs, STS takes 10\nthe duration is 60 seconds, STS takes 900 to 43,200",
  );
});
