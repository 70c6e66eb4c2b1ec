// keyhole grant list: all grants, those that have ended among them.
import { openGrantStore } from "../../../grants/store.ts";
import { defineCommand } from "../../command.ts";
import { listGrants } from "../../grants/grants.ts";
import { grantToJson, renderGrants } from "../../grants/view.ts";
import { formatJson, jsonOption, wideOption, widthFor } from "../../answers.ts";

export default defineCommand({
  meta: { name: "grant list", description: "List the grants" },
  examples: ["keyhole grant list", "keyhole grant list --json"],
  where: "host",
  args: {
    // For completions: without a daemon, and without what it knows.
    names: { type: "boolean", description: "Print the names alone" },
    json: jsonOption,
    wide: wideOption,
  },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    if (args.names) {
      const names = openGrantStore(settings.paths.grantDir).list();
      if (args.json) return output.line(formatJson(names));
      return names.length === 0 ? undefined : output.line(names.join("\n"));
    }
    const grants = await listGrants(context);
    if (args.json) return output.line(formatJson(grants.map(grantToJson)));
    if (grants.length === 0) return ui.notice("no grants");
    return output.line(renderGrants(grants, host.now(), widthFor(args.wide, output)));
  },
});
