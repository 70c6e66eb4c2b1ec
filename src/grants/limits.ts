// STS's limits of what a grant adds to a call, checked before anything is sent: what STS says is short, late, and not
// always the limit that was passed. src/DESIGN.md#limits-of-sts; https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
import { checkField } from "../config/check.ts";
import type { Path } from "../config/fields.ts";
import { LONGEST_DURATION, MOST_POLICIES, MOST_TAGS, POLICY_LIMIT } from "../config/schema.ts";
import type { GrantScope } from "./grant.ts";

/** Seconds: STS issues no shorter session. */
export const SHORTEST_DURATION = 900;
const TAG_KEY_LIMIT = 128;
const TAG_VALUE_LIMIT = 256;
/** Everything else that STS does not take in a session policy: it takes Latin-1 and three kinds of white space. */
const NO_POLICY_CHARACTER = /[^\t\n\r\u0020-\u00FF]/;

/**
 * Everything that STS would refuse in a scope, a line each, without any value. How much STS packs into its own limit
 * (`PackedPolicySize`), and what a role allows, only STS knows.
 */
export function findScopeProblems(scope: GrantScope): string[] {
  return [
    ...checkPolicies(scope),
    ...scope.tags.flatMap((tag, index) => checkTag(tag, index + 1)),
    ...checkTagKeys(scope.tags),
    ...checkDuration(scope.durationSeconds),
    ...describe("the source identity", ["AssumeRole", "SourceIdentity"], scope.sourceIdentity),
  ];
}

function checkPolicies({ policy, policyArns }: GrantScope): string[] {
  const problems = [...checkPolicy(policy)];
  if (policyArns.length > MOST_POLICIES)
    problems.push(`${policyArns.length} policy ARNs, STS takes ${count(MOST_POLICIES)}`);
  for (const [index, arn] of policyArns.entries())
    problems.push(...describe(`policy ARN ${index + 1}`, ["AssumeRole", "PolicyArns", 0], arn));
  const total = (policy ?? "").length + policyArns.join("").length;
  if (policy !== undefined && policy.length <= POLICY_LIMIT && policyArns.length > 0 && total > POLICY_LIMIT)
    problems.push(
      `the session policy and the policy ARNs have ${count(total)} characters together, STS takes ${count(POLICY_LIMIT)}`,
    );
  return problems;
}

function checkPolicy(policy: string | undefined): string[] {
  if (policy === undefined) return [];
  if (policy.length > POLICY_LIMIT)
    return [`the session policy has ${count(policy.length)} characters, STS takes ${count(POLICY_LIMIT)}`];
  if (NO_POLICY_CHARACTER.test(policy))
    return [String.raw`the session policy has a character that STS does not take: write it as \uXXXX`];
  return describe("the session policy", ["AssumeRole", "Policy"], policy);
}

function checkTag({ key, value }: GrantScope["tags"][number], position: number): string[] {
  return [
    ...checkTagText(`the key of tag ${position}`, "Key", key, TAG_KEY_LIMIT),
    ...checkTagText(`the value of tag ${position}`, "Value", value, TAG_VALUE_LIMIT),
  ];
}

function checkTagText(what: string, field: string, text: string, limit: number): string[] {
  const characters = Array.from(text).length;
  if (characters > limit) return [`${what} has ${count(characters)} characters, STS takes ${limit}`];
  return describe(what, ["AssumeRole", "Tags", 0, field], text);
}

function checkTagKeys(tags: GrantScope["tags"]): string[] {
  const problems: string[] = [];
  if (tags.length > MOST_TAGS) problems.push(`${tags.length} tags, STS takes ${MOST_TAGS}`);
  if (new Set(tags.map(({ key }) => key.toLowerCase())).size < tags.length)
    problems.push("two tags have one key: STS does not tell capitals from small letters in keys");
  return problems;
}

/** The role may allow less, and a source that is a role session itself allows an hour; only STS knows. */
function checkDuration(seconds: number | undefined): string[] {
  if (seconds === undefined || (seconds >= SHORTEST_DURATION && seconds <= LONGEST_DURATION)) return [];
  return [
    `the duration is ${count(seconds)} seconds, STS takes ${count(SHORTEST_DURATION)} to ${count(LONGEST_DURATION)}`,
  ];
}

/** What the schema of configs says of such a value. */
function describe(what: string, path: Path, value: unknown): string[] {
  const problem = value === undefined ? undefined : checkField(path, value);
  return problem === undefined ? [] : [`${what} ${problem}`];
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}
