// The daemon's source of credentials: STS, called by a worker process, and source credentials found by children.
import { systemClock } from "../clock.ts";
import { type Environment, isWayVariable } from "../environment.ts";
import { type Accounts, readAccounts } from "../files/accounts.ts";
import { parseSessionName } from "../config/name.ts";
import { type Codes, createCodes, createUsedCodes } from "../sources/codes.ts";
import { createRemoteTransport } from "../sources/sts/remote.ts";
import type { CredentialSource, RoleRequest } from "../sources/source.ts";
import { createStsSource } from "../sources/sts.ts";
import type { StsTransport } from "../sources/sts/transport.ts";
import { build } from "../version.ts";
import { ownCommand } from "./image.ts";

/** AssumeRole calls at once, so that a thousand renewals do not trip the account's rate limit. */
export const MAX_FLIGHTS = 8;

/**
 * @param socketPath names this daemon in the marker that finds loops
 * @param uid the user whose name stands in role session names
 * @param base what children get of this process's environment
 */
export function createSource(
  socketPath: string,
  uid: number,
  base: Readonly<Record<string, string>>,
): { readonly source: CredentialSource; readonly transport: StsTransport; readonly codes: Codes } {
  const children = { ...(base["HOME"] === undefined && { HOME: homeOf(uid) }), ...base };
  let user: string | undefined;
  const transport = createRemoteTransport({
    command: [...ownCommand(), "--sts-worker", build],
    // Each call carries the proxy and CA variables of the client that it is made for.
    environment: Object.fromEntries(Object.entries(children).filter(([name]) => !isWayVariable(name))),
    clock: systemClock,
  });
  const used = createUsedCodes(systemClock);
  const codes = createCodes(systemClock, used);
  const sts = createStsSource({
    codes,
    used,
    // At the first question: no daemon need read the user database to start.
    user: () => (user ??= userName(uid, base)),
    transport,
    socketPath,
    command: [...ownCommand(), "--resolve-source", build],
    reader: [...ownCommand(), "--read-files", "stamps"],
    base: children,
    clock: systemClock,
  });
  return { source: byConfig(sts), transport, codes };
}

/** What is said to a person, and the name of a role's session, are about the config. */
function byConfig(source: CredentialSource): CredentialSource {
  return {
    assume: (request) => source.assume(withConfigName(request)),
    identify: (request, credentials) => source.identify(withConfigName(request), credentials),
    wayOf: (request) => source.wayOf(withConfigName(request)),
    stamp: (environment) => source.stamp(environment),
    stampOf: (files) => source.stampOf(files),
    reread: (request) => source.reread(withConfigName(request)),
  };
}

function withConfigName<Request extends RoleRequest>(request: Request): Request {
  return { ...request, name: parseSessionName(request.name)?.config ?? request.name };
}

/** For a daemon without HOME: the SDK fails where it finds no home at all, as for a container's user of a number. */
function homeOf(uid: number): string {
  return readAccounts().userOf(uid)?.home || "/";
}

/**
 * From the user database, so that the same user has the same name from a shell, from cron and from a service; from the
 * environment where the database is elsewhere (LDAP, macOS), else `uid-1000`.
 */
export function userName(uid: number, environment: Environment, accounts: Accounts = readAccounts()): string {
  return accounts.userOf(uid)?.name || environment["USER"] || environment["LOGNAME"] || `uid-${uid}`;
}
