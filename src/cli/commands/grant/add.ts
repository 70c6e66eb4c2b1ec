// keyhole grant add: a directory that can be mounted into a sandbox, and gives it one identity.
import type { Environment } from "../../../environment.ts";
import { quotePosix } from "../../../text/quoting.ts";
import type { RequestOf } from "../../../wire/messages.ts";
import { refuseForeignDaemon, sourceVariables } from "../../daemon/telling.ts";
import { formatDuration } from "../../columns.ts";
import { defineCommand } from "../../command.ts";
import { withGrantDaemon } from "../../grants/grants.ts";
import { looseParents, tellMended } from "../../grants/parents.ts";
import { readTerms, termOptions } from "../../grants/terms.ts";
import { grantToJson } from "../../grants/view.ts";
import { formatJson, jsonOption } from "../../json.ts";

/** What a program needs that asks a person on a desktop, beside KEYHOLE_ASKPASS, which is sent in any case. */
const ASKING = ["SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"] as const;

export default defineCommand({
  meta: { name: "grant add", description: "Make a directory that gives a sandbox one identity; prints its path" },
  where: "host",
  args: { name: { type: "positional", description: "Name of the new grant" }, ...termOptions, json: jsonOption },
  async run(context) {
    const { args, environment, settings, output, ui, host } = context;
    const terms = await readTerms(args.name, args, context);
    const loose = looseParents(settings, environment, host.userId());
    const grant = await withGrantDaemon(context, async (link) => {
      const source = sourceVariables(context, await refuseForeignDaemon(link, settings));
      const asking = terms.confirm ? askingVariables(environment) : [];
      const request = { ...terms, environment: [...source, ...asking] };
      const { configDir: directory, defaultConfigDir } = settings.paths;
      if (directory === defaultConfigDir) return link.request("GrantAdd", request);
      return link.request("GrantAddIn", { directory, ...request });
    });
    if (args.json) output.line(formatJson(grantToJson(grant)));
    else output.line(grant.directory);
    const end =
      grant.endsAt === undefined ? "until it is revoked" : `for ${formatDuration(grant.endsAt - grant.createdAt)}`;
    ui.notice(`grant ${grant.name} gives ${grant.config} over a ${grant.deliver}, ${end}`);
    for (const note of grant.notes) ui.warn(`${grant.name}: ${note}`);
    tellMended(loose, ui);
    ui.hint(`keyhole grant show ${quotePosix(grant.name)} --for docker`);
  },
});

function askingVariables(environment: Environment): RequestOf<"GrantAdd">["environment"] {
  return ASKING.flatMap((name) => {
    const value = environment[name];
    return value ? [{ name, value }] : [];
  });
}
