// The name of the user that a process runs as, for role session names. Bun's os.userInfo() believes $USER.
import { readFileSync } from "node:fs";
import type { Environment } from "../environment.ts";

/**
 * From the user database, so that the same user has the same name from a shell, from cron and from a service; from the
 * environment where the database is elsewhere (LDAP, macOS), else `uid-1000`.
 *
 * @param database the text of /etc/passwd, see passwd(5)
 */
export function userName(uid: number, environment: Environment, database: string = readDatabase()): string {
  for (const line of database.split("\n")) {
    const [name, , id] = line.split(":");
    if (name && id === String(uid)) return name;
  }
  return environment["USER"] || environment["LOGNAME"] || `uid-${uid}`;
}

function readDatabase(): string {
  try {
    return readFileSync("/etc/passwd", "utf8");
  } catch {
    return "";
  }
}
