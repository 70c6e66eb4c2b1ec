// keyhole top: what the daemon does, on a screen that is drawn anew each second.
import type { Link } from "../../client/asking.ts";
import { fitLine, fitTable, formatDuration, formatJson, formatSize, jsonOption } from "../answers.ts";
import { defineCommand } from "../command.ts";
import { withDaemon } from "../daemon/broker.ts";
import { askStatusWithKeys, type FullStatus, renderSessions, skewOf, statusToJson } from "../daemon/status.ts";
import type { DaemonStatus } from "../../wire/messages.ts";

/** Milliseconds between two looks. */
const INTERVAL = 1_000;

/** The cursor goes to the top left, and what is below it away: nothing to put back, however the command ends. */
const CLEAR = "\u001B[H\u001B[J";

export default defineCommand({
  meta: { name: "top", description: "Show sessions, grants and requests a second, until interrupted" },
  examples: ["keyhole top", "keyhole top --json"],
  where: "host",
  args: { json: jsonOption },
  notes: ["Without a terminal, and with --json, it prints once."],
  async run(context) {
    const { args, settings, output, host, environment } = context;
    const ask = (link: Link) => askStatusWithKeys(link, context);
    const look = async (): Promise<Look> => ({
      ...(await withDaemon(settings, ask, { isRepeatable: true })),
      at: host.now(),
    });
    let now = await look();
    if (args.json) return output.line(formatJson(statusToJson(now.status, now.grants, now.at)));
    if (output.terminal() === undefined || environment["TERM"] === "dumb")
      return output.line(renderScreen(now, undefined, undefined));
    let before: Look | undefined;
    for (;;) {
      const screen = renderScreen(now, before, output.terminal());
      await output.bytes(new TextEncoder().encode(`${CLEAR}${screen}\n`));
      await host.wait(INTERVAL);
      before = now;
      now = await look();
    }
  },
});

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
