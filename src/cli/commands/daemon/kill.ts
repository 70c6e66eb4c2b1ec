// keyhole daemon kill: ends a daemon that does not stop.
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { killDaemon } from "../../daemon/lifecycle.ts";

export default defineCommand({
  meta: { name: "daemon kill", description: "Kill a daemon that does not stop" },
  where: "host",
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const pid = await killDaemon(settings, host);
    if (args.json) return output.line(formatJson({ killed: pid !== undefined, pid }));
    return ui.notice(pid === undefined ? "daemon is not running" : `daemon killed (pid ${pid})`);
  },
});
