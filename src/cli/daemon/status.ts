// The daemon's status as a person reads it.
import { showOnOneLine } from "../../text/controls.ts";
import { version as ownVersion } from "../../version.ts";
import type { DaemonStatus, GrantInfo, SessionInfo } from "../../wire/messages.ts";
import type { SharedService } from "../vending/shared.ts";
import { formatDuration, formatSize, formatTable } from "../columns.ts";
import { describeSkew, skewOf } from "./skew.ts";

/** @param grants undefined where the daemon knows none */
export function renderStatus(status: DaemonStatus, grants: readonly GrantInfo[] | undefined, now: number): string {
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
  const lines = ["daemon is running", indent(formatTable(facts))];
  if (status.sessions.length > 0) lines.push("", renderSessions(status.sessions, now + skew));
  const release = describeRelease(status);
  if (release !== undefined) lines.push(`${release}: keyhole daemon restart`);
  lines.push(...status.notes.map(showOnOneLine));
  for (const session of status.sessions) lines.push(...renderTroubles(session));
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
export function renderSessions(sessions: readonly SessionInfo[], now: number): string {
  const rows = sessions.map((session) => [
    session.config + (session.pinned ? " (pinned)" : ""),
    session.expiresAt === undefined ? "-" : fromNow(session.expiresAt, now, "expired"),
    session.renewAt === undefined ? "on demand" : fromNow(session.renewAt, now, "due"),
    session.source,
    session.roleArn,
  ]);
  return formatTable([["SESSION", "EXPIRES IN", "RENEWAL IN", "SOURCE", "ROLE"], ...rows]);
}

function fromNow(at: number, now: number, past: string): string {
  return at <= now ? past : formatDuration(at - now);
}

/** What is worth knowing of one, a line each. */
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
