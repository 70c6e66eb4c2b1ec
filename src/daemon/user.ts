// The name of the user that a process runs as, for role session names. Bun's os.userInfo() believes $USER.
import type { Environment } from "../environment.ts";
import { type Accounts, readAccounts } from "../files/accounts.ts";

/**
 * From the user database, so that the same user has the same name from a shell, from cron and from a service; from the
 * environment where the database is elsewhere (LDAP, macOS), else `uid-1000`.
 */
export function userName(uid: number, environment: Environment, accounts: Accounts = readAccounts()): string {
  return accounts.userOf(uid)?.name || environment["USER"] || environment["LOGNAME"] || `uid-${uid}`;
}
