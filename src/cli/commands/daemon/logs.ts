// keyhole daemon logs: the daemon's log file, whether or not a daemon runs.
import { KeyholeError } from "../../../errors.ts";
import { parseWhole } from "../../../text/numbers.ts";
import { defineCommand } from "../../command.ts";
import { isAtLeast, levels, openLog, renderLogLine } from "../../logs/tail.ts";

const HELP = "keyhole daemon logs --help";

/** Milliseconds between two looks at the file. */
const INTERVAL = 200;

export default defineCommand({
  meta: { name: "daemon logs", description: "Show the daemon's log" },
  examples: ["keyhole daemon logs -f", "keyhole daemon logs --level warn -t 100"],
  where: "host",
  args: {
    tail: { type: "string", alias: "t", default: "50", valueHint: "N", description: "The last N lines, 0 for all" },
    head: { type: "string", valueHint: "N", description: "The first N lines instead" },
    follow: { type: "boolean", alias: "f", description: "Wait for more, until interrupted" },
    level: { type: "enum", options: [...levels], default: "info", description: "Only what is at least so important" },
    json: { type: "boolean", description: "The lines as they are in the file" },
  },
  async run({ args, settings, output, ui, host }) {
    const head = args.head === undefined ? undefined : parseWhole(args.head, "--head", {}, HELP);
    const tail = parseWhole(args.tail, "--tail", {}, HELP);
    if (head !== undefined && args.follow) {
      throw new KeyholeError("usage", "--head and --follow exclude each other", "keyhole daemon logs --follow");
    }
    const log = openLog(settings.paths.log);
    const render = (line: string) => (args.json ? line : renderLogLine(line));
    const print = (lines: readonly string[]) =>
      // As bytes, which wait for the reader and fail when it is gone: `logs -f | head` must end.
      output.bytes(new TextEncoder().encode(lines.map((line) => `${render(line)}\n`).join("")));

    if (!log.exists) ui.notice(`no log file at ${settings.paths.log}`);
    const lines = log.read().filter((line) => isAtLeast(line, args.level));
    await print(head === undefined ? lines.slice(tail === 0 ? 0 : -tail) : lines.slice(0, head));
    while (args.follow) {
      await host.wait(INTERVAL);
      await print(log.read().filter((line) => isAtLeast(line, args.level)));
    }
  },
});
