// keyhole audit: who was given what, and who was refused, whether or not a daemon runs.
import { readHistory } from "../../audit/history.ts";
import { select, type Selection, tellStory } from "../../audit/story.ts";
import { escapeControls } from "../../text/controls.ts";
import { KeyholeError } from "../../errors.ts";
import { parseWhole } from "../../text/numbers.ts";
import type { Settings } from "../../settings.ts";
import { renderRecords, renderStory } from "../logs/audit-table.ts";
import { withDaemonIfAny } from "../daemon/broker.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { formatJson, jsonOption, wideOption, widthFor } from "../answers.ts";
import { openLog } from "../logs/tail.ts";

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
