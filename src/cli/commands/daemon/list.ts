// keyhole daemon list: the sessions, from the least to the most recently used.
import { showOnOneLine } from "../../../text/controls.ts";
import type { Link } from "../../../client/asking.ts";
import { offerKeys } from "../../daemon/source-variables.ts";
import { withDaemon } from "../../daemon/broker.ts";
import { defineCommand } from "../../command.ts";
import { renderSessions, renderTroubles, sessionToJson } from "../../daemon/status.ts";
import { formatJson, jsonOption } from "../../json.ts";

export default defineCommand({
  meta: { name: "daemon list", description: "List the sessions, the most recently used last" },
  where: "host",
  args: {
    long: { type: "boolean", alias: "l", description: "With expiry, renewal, source and role" },
    json: jsonOption,
  },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    const ask = async (link: Link) => {
      await offerKeys(link, context);
      return link.request("List", {});
    };
    const { sessions } = await withDaemon(settings, ask, { isRepeatable: true });
    if (args.json) return output.line(formatJson(sessions.map(sessionToJson)));
    if (sessions.length === 0) return ui.notice("no active sessions");
    if (args.long)
      return output.line([renderSessions(sessions, host.now()), ...sessions.flatMap(renderTroubles)].join("\n"));
    return output.line(sessions.map((session) => showOnOneLine(session.config)).join("\n"));
  },
});
