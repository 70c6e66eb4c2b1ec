// What `keyhole top` shows: sessions, grants and requests a second, of two looks at the daemon.
import type { DaemonStatus } from "../../wire/messages.ts";
import { fitLine, fitTable, formatDuration, formatSize } from "../answers.ts";
import { type FullStatus, renderSessions, skewOf } from "./status.ts";

/** One look, and when it was taken, in milliseconds since the epoch. */
export interface Look extends FullStatus {
  readonly at: number;
}

/**
 * @param before the look before, whose counts the rates are against; without one the screen has none
 * @param terminal what must hold all of it; undefined for any size
 */
export function renderScreen(
  now: Look,
  before: Look | undefined,
  terminal: { readonly columns: number; readonly rows: number } | undefined,
): string {
  const { status, grants = [], at } = now;
  const aws = at + skewOf(status);
  const rate = (count: number, former: number | undefined) =>
    before === undefined || former === undefined
      ? "-"
      : (Math.max(0, count - former) / Math.max(0.001, (at - before.at) / 1000)).toFixed(1);
  const formerUses = new Map(before?.grants?.map(({ name, uses }) => [name, uses]));
  const perSecond = rate(countOf(status, "requests"), before && countOf(before.status, "requests"));
  const head = [
    `keyhole: ${perSecond} requests/s`,
    `${countOf(status, "sts_calls")} STS calls`,
    `${status.connections} connections`,
    formatSize(status.residentBytes),
    `up ${formatDuration(at - status.startedAt)}`,
  ].join(", ");
  const active = grants.filter(({ state }) => state === "active");
  const rows = active.map((grant) => [
    grant.name,
    grant.config,
    grant.endsAt === undefined ? "-" : formatDuration(grant.endsAt - aws),
    grant.expiresAt === undefined ? "-" : formatDuration(grant.expiresAt - aws),
    rate(grant.uses, formerUses.get(grant.name)),
    String(grant.uses),
    String(grant.refusals),
    String(grant.connections),
  ]);
  const lines = [
    head,
    "",
    ...(status.sessions.length === 0
      ? ["no sessions"]
      : renderSessions(status.sessions, aws, terminal?.columns).split("\n")),
    ...(rows.length === 0 ? [] : ["", ...fitTable([GRANTS, ...rows], terminal?.columns, [7, 2, 5]).split("\n")]),
  ];
  if (terminal === undefined) return lines.join("\n");
  // The last line of the terminal stays empty, so that it does not scroll.
  const most = Math.max(1, terminal.rows - 1);
  const shown =
    lines.length <= most ? lines : [...lines.slice(0, most - 1), `and ${lines.length - most + 1} more lines`];
  return shown.map((line) => fitLine(line, terminal.columns)).join("\n");
}

const GRANTS = ["GRANT", "CONFIG", "ENDS IN", "EXPIRES IN", "USES/S", "USES", "REFUSED", "CONNECTIONS"];

function countOf({ counters }: DaemonStatus, name: string): number {
  return counters.find((counter) => counter.name === name)?.value ?? 0;
}
