// keyhole daemon add: a session of a config, checked with STS.
import { addSession, requireDaemon, withOwnDaemon } from "../../daemon/broker.ts";
import { formatDuration } from "../../columns.ts";
import { defineCommand } from "../../command.ts";
import { configChoices } from "../../configs/choices.ts";
import { sessionToJson } from "../../daemon/status.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { nameOption, requireName } from "../../configs/names.ts";
import { ownOption, refuseBesideShared } from "../../vending/shared.ts";

export default defineCommand({
  meta: { name: "daemon add", description: "Add a session of a config, or keep the one that is there" },
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
    const name = await requireName(args.name, ui, configChoices(settings.paths));
    await refuseBesideShared(context, { name, isMeant: args.own, hint: `keyhole export -n ${name}` });
    const session = await withOwnDaemon(context, (link) =>
      addSession(link, context, name, { verify: args.verify, renew: args.force, keep: false }),
    );
    if (args.json) return output.line(formatJson(sessionToJson(session)));
    const expiry =
      session.expiresAt === undefined
        ? "not verified with STS"
        : `expires in ${formatDuration(session.expiresAt - host.now())}`;
    ui.notice(`session ${name} added (${expiry})`);
    for (const note of session.notes) ui.warn(`${name}: ${note}`);
  },
});
