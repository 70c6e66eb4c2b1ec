// The daemon's records for scripts: instants in ISO 8601, counters as an object.
import type { DaemonStatus, GrantInfo, SessionInfo } from "../../wire/messages.ts";
import { formatInstant } from "../json.ts";
import { skewOf } from "./skew.ts";

/** All of a session, without its credentials. */
export function sessionToJson(session: SessionInfo) {
  return {
    config: session.config,
    accessKeyId: session.accessKeyId,
    roleArn: session.roleArn,
    source: session.source,
    issuedAt: formatInstant(session.issuedAt),
    expiresAt: formatInstant(session.expiresAt),
    renewAt: formatInstant(session.renewAt),
    addedAt: formatInstant(session.addedAt),
    usedAt: formatInstant(session.usedAt),
    failures: session.failures,
    lastError: session.lastError,
    pinned: session.pinned,
    notes: session.notes,
  };
}

/** @param grants undefined where the daemon knows none */
export function statusToJson(status: DaemonStatus, grants: readonly GrantInfo[] | undefined, now: number) {
  return {
    running: true,
    version: status.version,
    pid: status.pid,
    startedAt: formatInstant(status.startedAt),
    uptimeSeconds: Math.max(0, Math.floor((now - status.startedAt) / 1000)),
    socket: status.socket,
    log: status.log,
    configDir: status.configDir,
    sharedSocket: status.sharedSocket,
    managed: status.managed,
    maxSessions: status.maxSessions,
    connections: status.connections,
    residentBytes: status.residentBytes,
    clockSkewMs: skewOf(status),
    counters: Object.fromEntries(status.counters.map(({ name, value }) => [name, value])),
    notes: status.notes,
    sessions: status.sessions.map(sessionToJson),
    grants: grants?.map(grantToBrief),
  };
}

/** What of a grant is about the daemon; all of it is in `grant list --json`. */
function grantToBrief({ name, config, state, endsAt, connections, uses, refusals, ...grant }: GrantInfo) {
  return {
    name,
    config,
    state,
    endsAt: formatInstant(endsAt),
    accessKeyId: grant.accessKeyId,
    expiresAt: formatInstant(grant.expiresAt),
    renewAt: formatInstant(grant.renewAt),
    connections,
    uses,
    refusals,
    lastError: grant.lastError,
  };
}
