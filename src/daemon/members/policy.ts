// Whether a peer may vend a config, by the policy file as it is at the moment of the question: read again when it, or who
// the users are, has changed. A name that no account has allows no user.
import { decodeYaml, MalformedYaml, YAML_LIMIT } from "../../config/yaml.ts";
import { KeyholeError } from "../../errors.ts";
import { readTrusted } from "../../files/reading.ts";
import { fileRevision } from "../../files/identity.ts";
import {
  type AccountFiles,
  type Accounts,
  accountsRevision,
  readAccounts,
  SYSTEM_ACCOUNTS,
} from "../../files/accounts.ts";
import { parsePolicy, type Rule } from "./rules.ts";

/** The member, as the kernel says. */
export interface Member {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[] | undefined;
}

/** Rules with numbers in place of names. */
export interface Decision {
  allows(member: Member, config: string): boolean;
  /** Rules without effect, because their name is no user's or group's here: `user agent (line 3)`. */
  readonly unknown: readonly string[];
}

export const NO_MEMBER: Decision = { allows: () => false, unknown: [] };

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

/** What the file says now. */
export interface PolicyState {
  readonly decision: Decision;
  /** What is wrong with it, in words for its owner; no member may vend anything then, or not those who are named. */
  readonly problems: readonly string[];
}

export interface PolicyReader {
  /** Costs three calls of stat(2). Never throws: what cannot be read allows nothing. */
  current(): PolicyState;
  /** Reads again, whatever stat says. */
  reload(): PolicyState;
}

/**
 * @param uid whose file it has to be, beside root's
 * @param changed called with each state that differs from the one before, the first one included
 */
export function openPolicy(
  path: string,
  uid: number,
  changed: (state: PolicyState) => void,
  files: AccountFiles = SYSTEM_ACCOUNTS,
): PolicyReader {
  let revision: string | undefined;
  let state: PolicyState = { decision: NO_MEMBER, problems: [] };

  function current(): PolicyState {
    const found = `${fileRevision(path)} ${accountsRevision(files)}`;
    if (found === revision) return state;
    // Taken before it is read: a change in between is seen at the next question.
    revision = found;
    state = readState(path, uid, files);
    changed(state);
    return state;
  }

  return {
    current,
    reload() {
      revision = undefined;
      return current();
    },
  };
}

function readState(path: string, uid: number, files: AccountFiles): PolicyState {
  try {
    const file = readTrusted(path, uid, YAML_LIMIT);
    if (file === undefined)
      return { decision: NO_MEMBER, problems: [`there is no policy file ${path}: no member is served`] };
    const decision = decide(parsePolicy(decodeYaml(file.bytes), path), readAccounts(files));
    return { decision, problems: decision.unknown.map((who) => `${path}: no such ${who}: its rule has no effect`) };
  } catch (error) {
    return { decision: NO_MEMBER, problems: [`${reasonOf(error, path)}: no member is served`] };
  }
}

/** Whatever it was, no member is served. */
function reasonOf(error: unknown, path: string): string {
  if (error instanceof KeyholeError) return error.message;
  return `${path}: ${error instanceof MalformedYaml ? error.message : "cannot be read"}`;
}
