// keyhole config list: names, one on each line.
import { listConfigs } from "../../../config/store.ts";
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";

export default defineCommand({
  meta: { name: "config list", description: "Print the names of the configs" },
  args: { json: jsonOption },
  async run({ args, output, ui, settings }) {
    const names = listConfigs(settings.paths.configDir);
    if (args.json) return output.line(formatJson(names));
    if (names.length === 0) return ui.notice("no configs found");
    output.line(names.join("\n"));
  },
});
