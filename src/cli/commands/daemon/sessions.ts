// keyhole daemon list, add and remove: the sessions.
import { showOnOneLine } from "../../../text/controls.ts";
import type { Link } from "../../../client/asking.ts";
import { offerKeys } from "../../daemon/source-variables.ts";
import { addSession, withDaemon, withOwnDaemon } from "../../daemon/broker.ts";
import { defineCommand, ownOption } from "../../command.ts";
import { requireDaemon } from "../../where.ts";
import { renderSessions, renderTroubles, sessionToJson } from "../../daemon/status.ts";
import { formatDuration, formatJson, jsonOption, wideOption, widthFor } from "../../answers.ts";
import { nameOption, requireName, sessionOf } from "../../configs/names.ts";
import { refuseBesideShared } from "../../vending/shared.ts";
import { choiceOfSession } from "../../configs/overview.ts";
import { parseSessionName } from "../../../config/name.ts";

export const list = defineCommand({
  meta: { name: "daemon list", description: "List the sessions, the most recently used last" },
  examples: ["keyhole daemon list", "keyhole daemon list --long"],
  where: "host",
  args: {
    long: { type: "boolean", alias: "l", description: "With expiry, renewal, source and role" },
    json: jsonOption,
    wide: wideOption,
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
    if (args.long) {
      const table = renderSessions(sessions, host.now(), widthFor(args.wide, output));
      return output.line([table, ...sessions.flatMap(renderTroubles)].join("\n"));
    }
    return output.line(sessions.map((session) => showOnOneLine(session.config)).join("\n"));
  },
});

export const add = defineCommand({
  meta: { name: "daemon add", description: "Add a session of a config, or keep the one that is there" },
  examples: ["keyhole daemon add dev", "keyhole daemon add dev --no-verify"],
  where: "host",
  args: {
    name: nameOption,
    verify: {
      type: "boolean",
      default: true,
      description: "Call STS before answering",
      negativeDescription: "Let the first use call STS",
    },
    force: { type: "boolean", description: "Renew credentials that are still good" },
    own: ownOption,
    json: jsonOption,
  },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    requireDaemon(settings, "daemon add");
    const name = await requireName(args.name, context);
    await refuseBesideShared(context, { name, isMeant: args.own, hint: `keyhole export -n ${name}` });
    const session = await withOwnDaemon(context, (link) =>
      addSession(link, context, name, { verify: args.verify, renew: args.force, keep: false }),
    );
    if (args.json) return output.line(formatJson(sessionToJson(session)));
    const expiry =
      session.expiresAt === undefined
        ? "not verified with STS"
        : `expires in ${formatDuration(session.expiresAt - host.now())}`;
    ui.notice(`session ${showOnOneLine(session.config)} added (${expiry})`);
    for (const note of session.notes) ui.warn(`${name}: ${note}`);
  },
});

export const remove = defineCommand({
  meta: { name: "daemon remove", description: "Remove a session and forget its credentials" },
  examples: ["keyhole daemon remove dev", "keyhole daemon remove dev --json"],
  where: "host",
  args: { name: nameOption, json: jsonOption },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    const name = await withDaemon(settings, async (connection) => {
      // As `daemon list` has it: of a directory or an endpoint as well.
      const isSession = args.name !== undefined && parseSessionName(args.name) !== undefined;
      const named = isSession
        ? args.name
        : await requireName(args.name, context, {
            kind: "sessions",
            hint: "keyhole daemon add -n NAME",
            list: async () =>
              (await connection.request("List", {})).sessions.map((session) => choiceOfSession(session, host.now())),
          });
      const chosen = sessionOf(named, settings.paths);
      await connection.request("Remove", { config: chosen });
      return chosen;
    });
    if (args.json) return output.line(formatJson({ removed: name }));
    return ui.notice(`session ${name} removed`);
  },
});
