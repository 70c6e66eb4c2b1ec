// What a daemon says of itself, its sessions and its grants, for people and as JSON.
import { showOnOneLine } from "../../text/controls.ts";
import { version as ownVersion } from "../../version.ts";
import type { DaemonStatus, GrantInfo, SessionInfo } from "../../wire/messages.ts";
import type { SharedService } from "../vending/shared.ts";
import { formatDuration, formatInstant, formatSize, formatTable, fitTable } from "../answers.ts";
import type { Link } from "../../client/asking.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { offerKeys } from "./source-variables.ts";

/**
 * The sessions first, and what is wrong with them.
 *
 * @param grants undefined where the daemon knows none
 * @param width of the terminal; undefined for any
 */
export function renderStatus(
  status: DaemonStatus,
  grants: readonly GrantInfo[] | undefined,
  now: number,
  width: number | undefined,
): string {
  const skew = skewOf(status);
  const facts = [
    ["pid", String(status.pid)],
    ["version", status.version],
    ["uptime", formatDuration(now - status.startedAt)],
    ["socket", status.socket],
    ...(status.sharedSocket === undefined ? [] : [["shared", status.sharedSocket]]),
    ["log", status.log],
    ["configs", status.configDir],
    ["memory", formatSize(status.residentBytes)],
    ["connections", String(status.connections)],
    ["sessions", `${status.sessions.length} of at most ${status.maxSessions}`],
    ...(grants === undefined ? [] : [["grants", countGrants(grants)]]),
    ...status.counters.map(({ name, value }) => [name, String(value)]),
  ];
  const skewed = describeSkew(skew);
  if (skewed !== undefined) facts.push(["clock", skewed]);
  const lines = ["daemon is running"];
  if (status.sessions.length > 0) lines.push("", renderSessions(status.sessions, now + skew, width));
  for (const session of status.sessions) lines.push(...renderTroubles(session));
  const release = describeRelease(status);
  if (release !== undefined) lines.push(`${release}: keyhole daemon restart`);
  lines.push(...status.notes.map(showOnOneLine), "", indent(formatTable(facts)));
  return lines.join("\n");
}

/** Undefined where the daemon is of this executable's release. */
export function describeRelease(status: Pick<DaemonStatus, "version">): string | undefined {
  if (status.version === ownVersion) return undefined;
  return `the daemon is keyhole ${showOnOneLine(status.version)}, this executable is ${ownVersion}`;
}

/** What a member may know of the shared daemon. */
export function renderShared({ socket, uid, pid, version }: SharedService): string {
  const facts = [
    ["socket", socket],
    ["operator", `uid ${uid}`],
    ["pid", String(pid)],
    ["version", version],
  ];
  return `the shared daemon serves you: keyhole export -n NAME\n${indent(formatTable(facts))}`;
}

/** Sessions as a table with a heading, in the daemon's order. `now` is on AWS's clock, as their times are. */
export function renderSessions(sessions: readonly SessionInfo[], now: number, width: number | undefined): string {
  const rows = sessions.map((session) => [
    session.config + (session.pinned ? " (pinned)" : ""),
    session.expiresAt === undefined ? "-" : fromNow(session.expiresAt, now, "expired"),
    session.renewAt === undefined ? "on demand" : fromNow(session.renewAt, now, "due"),
    session.source,
    session.roleArn,
  ]);
  return fitTable([["SESSION", "EXPIRES IN", "RENEWAL IN", "SOURCE", "ROLE"], ...rows], width, [2, 3]);
}

function fromNow(at: number, now: number, past: string): string {
  return at <= now ? past : formatDuration(at - now);
}

/** Errors and notes of one session, a line each. */
export function renderTroubles({ config, failures, lastError, notes }: SessionInfo): string[] {
  const troubles = notes.map((note) => `${config}: ${note}`);
  if (lastError !== undefined) troubles.push(`${config}: last error: ${lastError} (${failures} in a row)`);
  return troubles.map(showOnOneLine);
}

function countGrants(grants: readonly GrantInfo[]): string {
  const active = grants.filter(({ state }) => state === "active").length;
  return active === grants.length ? String(active) : `${active} active of ${grants.length}`;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}

export interface FullStatus {
  readonly status: DaemonStatus;
  /** Undefined if the daemon does not say: it may be of a release that knows none. */
  readonly grants: readonly GrantInfo[] | undefined;
}

/** An error about the grants leaves them out, unless the daemon has gone meanwhile. */
export async function askStatus(link: Link): Promise<FullStatus> {
  const status = await link.request("Status", {});
  return { status, grants: (await askIfKnown(() => link.request("GrantsList", {})))?.grants };
}

/** As `askStatus`, of a person's command: what waits for the keys of this shell is back before. */
export async function askStatusWithKeys(link: Link, caller: Parameters<typeof offerKeys>[1]): Promise<FullStatus> {
  await offerKeys(link, caller);
  return askStatus(link);
}

/** Undefined if the daemon does not say. */
export async function askIfKnown<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof KeyholeError) || isErrorOf(error, "unreachable")) throw error;
    return undefined;
  }
}

/** All of a session, without its credentials. */
export function sessionToJson(session: SessionInfo) {
  return {
    ...session,
    issuedAt: formatInstant(session.issuedAt),
    expiresAt: formatInstant(session.expiresAt),
    renewAt: formatInstant(session.renewAt),
    addedAt: formatInstant(session.addedAt),
    usedAt: formatInstant(session.usedAt),
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

/** Milliseconds of skew worth a line. */
export const NOTABLE_SKEW = 60_000;

/** AWS's clock minus this machine's, in milliseconds. */
export function skewOf(status: DaemonStatus): number {
  return status.clockBehindMs - status.clockAheadMs;
}

/** Undefined for a skew that is not worth a line. */
export function describeSkew(skew: number): string | undefined {
  if (Math.abs(skew) <= NOTABLE_SKEW) return undefined;
  return `this machine's clock is ${formatDuration(Math.abs(skew))} ${skew > 0 ? "behind" : "ahead of"} AWS's`;
}
