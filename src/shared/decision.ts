// Whether a peer may vend a config: rules and accounts → yes or no. A name that nobody has allows nobody.
import type { Accounts } from "../files/accounts.ts";
import type { Rule } from "./policy.ts";

/** Who asks, as the kernel says. */
export interface Member {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[] | undefined;
}

/** Rules with numbers in place of names. */
export interface Decision {
  allows(member: Member, config: string): boolean;
  /** Rules that count for nobody, because their name is no user's or group's here: `user agent (line 3)`. */
  readonly unknown: readonly string[];
}

export const NOBODY: Decision = { allows: () => false, unknown: [] };

export function decide(rules: readonly Rule[], accounts: Accounts): Decision {
  const byUid = new Map<number, Set<string>>();
  const byGid = new Map<number, Set<string>>();
  const unknown: string[] = [];
  for (const rule of rules) {
    const id = idOf(rule, accounts);
    if (id === undefined) {
      unknown.push(`${rule.subject} ${rule.value}${rule.line === undefined ? "" : ` (line ${rule.line})`}`);
      continue;
    }
    const byId = rule.subject === "user" || rule.subject === "uid" ? byUid : byGid;
    byId.set(id, new Set([...(byId.get(id) ?? []), ...rule.configs]));
  }
  return {
    allows: ({ uid, gid, groups = [] }, config) =>
      byUid.get(uid)?.has(config) === true || [gid, ...groups].some((each) => byGid.get(each)?.has(config) === true),
    unknown,
  };
}

function idOf({ subject, value }: Rule, accounts: Accounts): number | undefined {
  if (subject === "user") return accounts.user(value)?.uid;
  if (subject === "group") return accounts.group(value)?.gid;
  return Number(value);
}
