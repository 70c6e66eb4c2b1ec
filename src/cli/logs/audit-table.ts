// The audit as a person reads it.
import type { AuditPeer, AuditRecord } from "../../audit/line.ts";
import type { Story } from "../../audit/story.ts";
import { fitLine, formatTable } from "../answers.ts";

const HEADING = ["TIME", "KIND", "OVER", "GRANT OR CONFIG", "OUTCOME", "KEY", "PEER"];

/** Least widths, so that rows that follow later have the same columns: a time, a kind, a transport, …, a key id. */
const WIDTHS = [20, 7, 7, 16, 7, 20];

/** Columns of a terminal that has room for all of a row. */
const ALL_COLUMNS = 120;

/** Without OVER and KEY. */
const isShown = (_: unknown, column: number) => column !== 2 && column !== 5;

/** Rows from old to new. @param width of the terminal, undefined for any: a narrow one is shown neither socket nor key id */
export function renderRecords(
  records: readonly AuditRecord[],
  withHeading: boolean,
  width: number | undefined,
): string {
  const rows = records.map((record) => [
    shortTime(record.time),
    record.kind,
    record.transport,
    record.grant ?? record.config ?? "-",
    record.outcome,
    record.accessKeyId ?? "-",
    [renderRequest(record), renderPeer(record.peer), renderCount(record.count), record.note]
      .filter(Boolean)
      .join(", ") || "-",
  ]);
  const all = withHeading ? [HEADING, ...rows] : rows;
  if (width === undefined || width >= ALL_COLUMNS) return formatTable(all, WIDTHS);
  const narrow = all.map((row) => row.filter(isShown));
  const lines = formatTable(narrow, WIDTHS.filter(isShown)).split("\n");
  return lines.map((line) => fitLine(line, width)).join("\n");
}

/** `s3:GetObject bucket/key, 200`. */
function renderRequest({ operation, resource, status }: AuditRecord): string {
  const words = [operation, resource].filter((each) => each !== undefined).join(" ");
  return [words, status].filter(Boolean).join(", ");
}

/** `uid 1000 pid 4242 /usr/bin/keyhole run by /usr/bin/python3.11`. */
export function renderPeer(peer: AuditPeer | undefined): string {
  if (peer === undefined) return "";
  const words = [`uid ${peer.uid}`];
  if (peer.pid !== undefined) words.push(`pid ${peer.pid}`);
  if (peer.executable !== undefined) words.push(peer.executable);
  if (peer.parent !== undefined) words.push(`run by ${peer.parent}`);
  if (peer.exited === true) words.push("(has exited: the connection was passed on)");
  return words.join(" ");
}

/** What a key is, and below it who was given it. */
export function renderStory(story: Story): string {
  const facts = [
    ["key", story.accessKeyId],
    ["grant", story.grant ?? "none"],
    ["config", story.config ?? "not known"],
    ["role", story.roleArn ?? "not known"],
    ["session", story.sessionName ?? "not known"],
    ["issued", story.issuedAt ?? "not known any more"],
    ["expires", story.expiresAt ?? "not known"],
  ];
  const holders = story.givenTo.map(({ peer, transport, times, first, last }) => [
    renderPeer(peer) || "readers of the lease file",
    transport,
    times === 1 ? "once" : `${times} times`,
    shortTime(first),
    shortTime(last),
  ]);
  if (holders.length === 0) return `${formatTable(facts)}\nnot given to any client`;
  const table = formatTable([["PEER", "OVER", "TIMES", "FIRST", "LAST"], ...holders]);
  return `${formatTable(facts)}\ngiven to\n${table.replaceAll(/^/gm, "  ")}`;
}

function renderCount(count: number | undefined): string | undefined {
  return count === undefined ? undefined : `${count} times`;
}

/** Without the milliseconds, which JSON has. */
function shortTime(time: string): string {
  return time.replace(/\.[0-9]+Z$/, "Z");
}
