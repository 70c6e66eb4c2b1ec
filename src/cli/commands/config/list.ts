// keyhole config list: names, one on each line.
import { listConfigs, listMisnamed } from "../../../config/store.ts";
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";

export default defineCommand({
  meta: { name: "config list", description: "Print the names of the configs" },
  where: "host",
  args: { json: jsonOption },
  async run({ args, output, ui, settings }) {
    const names = listConfigs(settings.paths.configDir);
    for (const name of listMisnamed(settings.paths.configDir)) {
      const hint = "rename it: a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _";
      ui.warn(`${name}.yaml is not taken for a config`, hint);
    }
    if (args.json) return output.line(formatJson(names));
    if (names.length === 0) return ui.notice("no configs found");
    output.line(names.join("\n"));
  },
});
