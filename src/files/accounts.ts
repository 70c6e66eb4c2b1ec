// Names of users and groups ⇄ numbers, from the files that every Unix has: passwd(5) and group(5). Directories such as
// LDAP, and macOS's own, are not asked: a user who is only there is named by number.
import { readFileSync } from "node:fs";
import type { Environment } from "../environment.ts";
import { fileRevision } from "./identity.ts";

/** One line of passwd(5). */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** One line of group(5). */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** What the files said at one moment. */
export interface Accounts {
  user(name: string): Account | undefined;
  userOf(uid: number): Account | undefined;
  group(name: string): GroupEntry | undefined;
  /** Whether that user alone is in that group: as OpenSSH's Debian asks where umask is 002. */
  isPrivateGroup(gid: number, uid: number): boolean;
}

/** Where the files are; tests have their own. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

export const SYSTEM_ACCOUNTS: AccountFiles = { passwd: "/etc/passwd", group: "/etc/group" };

export function parseAccounts(passwd: string, group: string): Accounts {
  const users = new Map<string, Account>();
  for (const [name, , uid, gid, , home] of fieldsOf(passwd)) {
    const account = { name: name!, uid: numberOf(uid), gid: numberOf(gid), home: home ?? "" };
    // As getpwnam(3): the first line of a name counts.
    if (account.uid >= 0 && account.gid >= 0 && !users.has(account.name)) users.set(account.name, account);
  }
  const groups = new Map<string, GroupEntry>();
  for (const [name, , gid, members] of fieldsOf(group)) {
    const entry = { name: name!, gid: numberOf(gid), members: (members ?? "").split(",").filter(Boolean) };
    if (entry.gid >= 0 && !groups.has(entry.name)) groups.set(entry.name, entry);
  }
  return {
    user: (name) => users.get(name),
    userOf: (uid) => [...users.values()].find((account) => account.uid === uid),
    group: (name) => groups.get(name),
    isPrivateGroup(gid, uid) {
      const entries = [...groups.values()].filter((entry) => entry.gid === gid);
      const primary = [...users.values()].filter((account) => account.gid === gid);
      const added = entries.flatMap(({ members }) => members).map((name) => users.get(name));
      const members = [...primary, ...added];
      // A group without an entry here is one of a directory, which may know others.
      return entries.length > 0 && members.length > 0 && members.every((member) => member?.uid === uid);
    },
  };
}

/**
 * An environment whose HOME is the user database's where it has none, as in a cron job or under `env -i`; keyhole's own
 * for a user whom the database does not know, as in a container that runs as any uid: the AWS SDK wants to know one.
 *
 * @param uid the effective user
 */
export function withHome(
  environment: Environment,
  uid: number | undefined,
  read: () => Accounts = readAccounts,
): Environment {
  if (environment["HOME"] || uid === undefined) return environment;
  const home = read().userOf(uid)?.home || environment["KEYHOLE_HOME"];
  return home ? { ...environment, HOME: home } : environment;
}

/** A file that cannot be read names no account. */
export function readAccounts(files: AccountFiles = SYSTEM_ACCOUNTS): Accounts {
  return parseAccounts(readOrEmpty(files.passwd), readOrEmpty(files.group));
}

/** Changes with the files. */
export function accountsRevision(files: AccountFiles = SYSTEM_ACCOUNTS): string {
  return [files.passwd, files.group].map(fileRevision).join(" ");
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function fieldsOf(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([name]) => name !== undefined && name !== "" && !name.startsWith("#"));
}

/** -1 for what is no number of a user or a group. */
function numberOf(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,10}$/.test(text) ? Number(text) : -1;
}
