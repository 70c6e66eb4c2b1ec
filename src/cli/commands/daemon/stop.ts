// keyhole daemon stop and kill.
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../answers.ts";
import { killDaemon, stopDaemon } from "../../daemon/stopping.ts";

export const stop = defineCommand({
  meta: { name: "daemon stop", description: "Stop the daemon" },
  examples: ["keyhole daemon stop", "keyhole daemon stop --json"],
  where: "host",
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const pid = await stopDaemon(settings, host);
    if (args.json) return output.line(formatJson({ stopped: pid !== undefined, pid }));
    return ui.notice(pid === undefined ? "daemon is not running" : `daemon stopped (pid ${pid})`);
  },
});

export const kill = defineCommand({
  meta: { name: "daemon kill", description: "Kill a daemon that does not stop" },
  examples: ["keyhole daemon kill", "keyhole daemon kill --json"],
  where: "host",
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const pid = await killDaemon(settings, host);
    if (args.json) return output.line(formatJson({ killed: pid !== undefined, pid }));
    return ui.notice(pid === undefined ? "daemon is not running" : `daemon killed (pid ${pid})`);
  },
});
