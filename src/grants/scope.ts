// A config as a grant narrows it. A grant never allows more than its config: where joining the two could, it is refused.
import { MOST_TAGS } from "../config/schema.ts";
import type { AssumeRoleSection, Config } from "../config/config.ts";
import { KeyholeError } from "../errors.ts";
import type { Grant, GrantScope } from "./grant.ts";
import { findScopeProblems } from "./limits.ts";

/**
 * What is sent to STS for a grant. Checked against STS's limits as a whole.
 *
 * @throws KeyholeError `invalid-grant` with everything that is wrong, a line each, and no value.
 */
export function applyScope(config: Config, grant: GrantScope & Pick<Grant, "sessionName" | "deliver">): Config {
  const role = config.AssumeRole;
  const problems = [...findScopeProblems(grant), ...findConflicts(role, grant)];
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
    // Nobody asks for a lease: it must be renewed unasked.
    pin: grant.deliver === "file" ? true : config.pin,
  };
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
