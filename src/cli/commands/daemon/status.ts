// keyhole daemon status: what the daemon is doing. Exit status 3 where none is running.
import { errors } from "../../../errors.ts";
import { withDaemonIfAny } from "../../broker.ts";
import { defineCommand } from "../../command.ts";
import { jsonOption, printJson, statusToJson } from "../../json.ts";
import { renderStatus } from "../../status.ts";

export default defineCommand({
  meta: { name: "daemon status", description: "Show the daemon and its sessions; exit status 3 if it is not running" },
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const status = await withDaemonIfAny(settings, (connection) => connection.request("Status", {}));
    const { socket, log } = settings.paths;
    if (status === undefined) {
      output.line(
        args.json ? printJson({ running: false, socket, log }) : `daemon is not running\n  socket  ${socket}`,
      );
      if (!args.json) ui.hint("keyhole daemon start");
      return errors.unreachable.exit;
    }
    return output.line(args.json ? printJson(statusToJson(status, host.now())) : renderStatus(status, host.now()));
  },
});
