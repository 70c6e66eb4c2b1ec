// keyhole daemon stop: ends the daemon in order.
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { stopDaemon } from "../../daemon/lifecycle.ts";

export default defineCommand({
  meta: { name: "daemon stop", description: "Stop the daemon" },
  where: "host",
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const pid = await stopDaemon(settings, host);
    if (args.json) return output.line(formatJson({ stopped: pid !== undefined, pid }));
    return ui.notice(pid === undefined ? "daemon is not running" : `daemon stopped (pid ${pid})`);
  },
});
