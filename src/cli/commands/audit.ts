// keyhole audit: who was given what, and who was refused, whether or not a daemon runs.
import { readHistory } from "../../audit/history.ts";
import { select, type Selection, type Story, tellStory } from "../../audit/story.ts";
import { escapeControls } from "../../text/controls.ts";
import { KeyholeError } from "../../errors.ts";
import { parseWhole } from "../../text/numbers.ts";
import type { Settings } from "../../settings.ts";
import { withDaemonIfAny } from "../daemon/broker.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { fitLine, formatJson, formatTable, jsonOption, wideOption, widthFor } from "../answers.ts";
import { openLog } from "../logs/tail.ts";
import type { AuditPeer, AuditRecord } from "../../audit/line.ts";

const HELP = "keyhole audit --help";

/** Milliseconds between two looks at the file. */
const INTERVAL = 200;

const args = {
  who: { type: "positional", required: false, description: "The word who: everything about one access key id" },
  key: { type: "positional", required: false, description: "That access key id" },
  follow: { type: "boolean", alias: "f", description: "Wait for more, until interrupted" },
  grant: { type: "string", alias: "g", valueHint: "NAME", description: "Of one grant alone" },
  limit: { type: "string", default: "200", valueHint: "N", description: "The last N lines, 0 for all" },
  "before-ts-ms": { type: "string", valueHint: "N", description: "Before that moment, in milliseconds since 1970" },
  json: { ...jsonOption, description: "Answer in JSON, the newest first; with --follow a line for each" },
  wide: wideOption,
} as const;

type Context = CommandContext<typeof args>;

export default defineCommand({
  meta: { name: "audit", description: "Show who was given which credentials, and who was refused" },
  examples: ["keyhole audit --grant agent -f", "keyhole audit who ASIAIOSFODNN7EXAMPLE"],
  where: "host",
  args,
  run: (context) => {
    const { who, key } = context.args;
    if (who === undefined) return list(context);
    if (who !== "who") throw usage(`unexpected argument ${who}`);
    if (key === undefined || !/^[A-Za-z0-9]{4,128}$/.test(key)) throw usage("an access key id is missing");
    return tell(context, key);
  },
});

async function list(context: Context): Promise<void> {
  const { settings, output, ui, host } = context;
  const { follow, grant, limit, json, wide, "before-ts-ms": before } = context.args;
  const wanted = {
    grant,
    beforeMs: before === undefined ? undefined : parseWhole(before, "--before-ts-ms", {}, HELP),
    limit: parseWhole(limit, "--limit", {}, HELP) || Infinity,
  };
  const width = widthFor(wide, output);
  if (follow && before !== undefined) throw usage("--follow and --before-ts-ms exclude each other");

  // As bytes, which wait for the reader and fail when it is gone: `audit -f | head` must end.
  const print = (text: string) => output.bytes(new TextEncoder().encode(`${text}\n`));
  const show = async ({ records, malformed }: Selection, withHeading: boolean) => {
    if (json) for (const record of records) await print(escapeControls(JSON.stringify(record)));
    else if (records.length > 0) await print(renderRecords(records, withHeading, width));
    if (malformed > 0) ui.warn(`${malformed} malformed lines were left out`);
  };

  await noticeSilence(context);
  const log = openLog(settings.paths.audit, 0);
  const found = select(readHistory(settings.paths.audit, { lines: log.read(), inode: log.inode }), wanted);
  if (json && !follow) {
    await print(formatJson(found.records));
    return show({ ...found, records: [] }, false);
  }
  if (found.records.length === 0 && !follow) ui.notice(`nothing in ${settings.paths.audit}`);
  await show({ ...found, records: found.records.toReversed() }, true);
  if (!follow) return;
  for (;;) {
    await host.wait(INTERVAL);
    await show(select(log.read(), { grant, limit: Infinity }), false);
  }
}

async function tell(context: Context, key: string): Promise<void> {
  const { settings, output } = context;
  const { json, follow, grant, "before-ts-ms": before } = context.args;
  if (follow || grant !== undefined || before !== undefined) throw usage("audit who takes no option but --json");
  const log = openLog(settings.paths.audit, 0);
  const story = tellStory(readHistory(settings.paths.audit, { lines: log.read(), inode: log.inode }), key);
  if (story === undefined) {
    await noticeSilence(context);
    throw new KeyholeError("no-such-session", `the audit does not know the access key id ${key}`, "keyhole audit");
  }
  output.line(json ? formatJson(story) : renderStory(story));
}

/** Says so where nothing is written down, by this command's environment or by the daemon's. */
async function noticeSilence({ settings, ui }: Pick<Context, "settings" | "ui">): Promise<void> {
  if (settings.hasDiskLogs && (await hasDaemonDiskLogs(settings))) return;
  ui.notice("nothing is written down: disk logs are off (KEYHOLE_DISABLE_DISK_LOGS)");
}

async function hasDaemonDiskLogs(settings: Settings): Promise<boolean> {
  try {
    const options = { isPatient: false };
    const status = await withDaemonIfAny(settings, (connection) => connection.request("Status", {}), options);
    return status?.counters.find(({ name }) => name === "disk_logs")?.value !== 0;
  } catch {
    // Of another user, busy, or of another version: the lines that are there can be read all the same.
    return true;
  }
}

function usage(message: string): KeyholeError {
  return new KeyholeError("usage", message, HELP);
}

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
