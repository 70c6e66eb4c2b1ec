// keyhole config meta: what a config says about itself.
import { openConfigStore } from "../../../config/store.ts";
import { defineCommand } from "../../command.ts";
import { configChoices } from "../../configs/choices.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { nameOption, requireName } from "../../configs/names.ts";

export default defineCommand({
  meta: { name: "config meta", description: "Print a config's description as JSON" },
  where: "host",
  args: { name: nameOption, json: jsonOption },
  async run({ args, output, ui, settings }) {
    const name = await requireName(args.name, ui, configChoices(settings.paths));
    const { Meta: meta } = openConfigStore(settings.paths.configDir).parse(name).config;
    if (meta !== undefined) return output.line(formatJson(meta));
    if (args.json) return output.line("{}");
    ui.notice(`no metadata found for config ${name}`);
  },
});
