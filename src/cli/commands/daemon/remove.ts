// keyhole daemon remove: forgets the credentials of one config.
import { parseSessionName } from "../../../config/name.ts";
import { withDaemon } from "../../daemon/broker.ts";
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { nameOption, requireName, sessionOf } from "../../configs/names.ts";

export default defineCommand({
  meta: { name: "daemon remove", description: "Remove a session and forget its credentials" },
  where: "host",
  args: { name: nameOption, json: jsonOption },
  async run({ args, settings, output, ui }) {
    const name = await withDaemon(settings, async (connection) => {
      // As `daemon list` has it: of a directory or an endpoint as well.
      const isSession = args.name !== undefined && parseSessionName(args.name) !== undefined;
      const named = isSession
        ? args.name
        : await requireName(args.name, ui, {
            kind: "sessions",
            hint: "keyhole daemon add -n NAME",
            list: async () => (await connection.request("List", {})).sessions.map((session) => session.config),
          });
      const chosen = sessionOf(named, settings.paths);
      await connection.request("Remove", { config: chosen });
      return chosen;
    });
    if (args.json) return output.line(formatJson({ removed: name }));
    return ui.notice(`session ${name} removed`);
  },
});
