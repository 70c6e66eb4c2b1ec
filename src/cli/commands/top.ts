// keyhole top: what the daemon does, on a screen that is drawn anew each second.
import type { Link } from "../../client/asking.ts";
import { formatJson, jsonOption } from "../answers.ts";
import { defineCommand } from "../command.ts";
import { withDaemon } from "../daemon/broker.ts";
import { type Look, renderScreen } from "../daemon/screen.ts";
import { askStatusWithKeys, statusToJson } from "../daemon/status.ts";

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
