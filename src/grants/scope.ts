// A config as a grant narrows it. A grant never allows more than its config: where joining the two could, it is refused.
// So is what STS would refuse, before anything is sent: what STS says is short, late, and not always the limit that was
// passed. src/DESIGN.md#limits-of-sts; https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
import { checkField } from "../config/check.ts";
import {
  type AssumeRoleSection,
  type Config,
  LONGEST_DURATION,
  MOST_POLICIES,
  MOST_TAGS,
  POLICY_LIMIT,
  SHORTEST_DURATION,
} from "../config/config.ts";
import type { Path } from "../config/fields.ts";
import { KeyholeError } from "../errors.ts";
import type { Grant, GrantScope } from "./grant.ts";

/**
 * What is sent to STS for a grant. Checked against STS's limits as a whole.
 *
 * @throws KeyholeError `invalid-grant` with everything that is wrong, a line each, and no value.
 */
export function applyScope(
  config: Config,
  grant: GrantScope & Pick<Grant, "sessionName" | "deliver" | "identity">,
): Config {
  const role = config.AssumeRole;
  if (role === undefined) return handOn(config, grant);
  if (grant.identity !== undefined)
    throw new KeyholeError(
      "invalid-grant",
      "the grant hands an identity on as it is, and its config assumes a role by now",
      "remove the grant, and add it again: keyhole grant remove",
    );
  const isTagged = grant.tags.length > 0 || grant.sourceIdentity !== undefined;
  const problems = [
    ...findScopeProblems(grant),
    ...findConflicts(role, grant),
    ...(isTagged && config.WebIdentity !== undefined
      ? ["STS takes no tags and no source identity with a web identity"]
      : []),
  ];
  if (problems.length > 0) throw new KeyholeError("invalid-grant", problems.join("\n"), "keyhole grant add --help");
  return {
    ...config,
    AssumeRole: {
      ...role,
      // Always its own: two grants of one role are two sessions, which CloudTrail tells apart and AWS can deny singly.
      RoleSessionName: grant.sessionName,
      Policy: grant.policy ?? role.Policy,
      PolicyArns: grant.policyArns.length > 0 ? grant.policyArns : role.PolicyArns,
      Tags: joinTags(role, grant),
      SourceIdentity: grant.sourceIdentity ?? role.SourceIdentity,
      DurationSeconds: grant.durationSeconds ?? role.DurationSeconds,
    },
    pin: isPinned(config, grant),
  };
}

/** A lease is read without asking: it must be renewed unasked. */
function isPinned(config: Config, { deliver }: Pick<Grant, "deliver">): boolean | undefined {
  return deliver === "file" ? true : config.pin;
}

/** Credentials that exist already are what they are: only AssumeRole narrows, marks or shortens. */
function handOn(config: Config, grant: GrantScope & Pick<Grant, "deliver">): Config {
  const asked = {
    "--policy or --policy-arn": grant.policy !== undefined || grant.policyArns.length > 0,
    "--tag": grant.tags.length > 0,
    "--source-identity": grant.sourceIdentity !== undefined,
    "--duration": grant.durationSeconds !== undefined,
  };
  const [option] = Object.entries(asked).find(([, isAsked]) => isAsked) ?? [];
  if (option === undefined) return { ...config, pin: isPinned(config, grant) };
  throw new KeyholeError(
    "invalid-grant",
    `${option} is for a config that assumes a role: ${config.GetSessionToken === undefined ? "what its profile has" : "a user's own session"} cannot be narrowed`,
    "give the config a role: keyhole config update",
  );
}

function joinTags(role: AssumeRoleSection, { tags }: GrantScope): AssumeRoleSection["Tags"] {
  if (tags.length === 0) return role.Tags;
  return [...(role.Tags ?? []), ...tags.map(({ key, value }) => ({ Key: key, Value: value }))];
}

function findConflicts(role: AssumeRoleSection, grant: GrantScope): string[] {
  const problems: string[] = [];
  const hasPolicies = role.Policy !== undefined || (role.PolicyArns ?? []).length > 0;
  const bringsPolicies = grant.policy !== undefined || grant.policyArns.length > 0;
  // STS allows what any of several session policies allows.
  if (hasPolicies && bringsPolicies)
    problems.push(
      "the config has session policies of its own, and STS would allow what either allows, which widens: use a config without Policy and PolicyArns, or a grant without --policy and --policy-arn",
    );
  const keys = new Set((role.Tags ?? []).map(({ Key }) => Key.toLowerCase()));
  for (const [index, { key }] of grant.tags.entries())
    if (keys.has(key.toLowerCase())) problems.push(`the key of tag ${index + 1} is that of a tag of the config`);
  const total = keys.size + grant.tags.length;
  if (total > MOST_TAGS && grant.tags.length > 0 && grant.tags.length <= MOST_TAGS)
    problems.push(`${total} tags with those of the config, STS takes ${MOST_TAGS}`);
  const identity = grant.sourceIdentity;
  if (identity !== undefined && role.SourceIdentity !== undefined && identity !== role.SourceIdentity)
    problems.push("the config has another source identity, which a grant must not replace");
  return problems;
}

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
