// keyhole config get: one config as JSON.
import { obscureConfig } from "../../../config/obscure.ts";
import { openConfigStore } from "../../../config/store.ts";
import { defineCommand } from "../../command.ts";
import { configChoices } from "../../configs/choices.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { nameOption, requireName } from "../../configs/names.ts";

export default defineCommand({
  meta: { name: "config get", description: "Print a config as JSON" },
  where: "host",
  args: {
    name: nameOption,
    obscure: { type: "boolean", alias: "o", description: "Print *** for ARNs, ids and keys" },
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui, settings } = context;
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(args.name, ui, configChoices(settings.paths));
    if (!store.exists(name) && (await ui.isInteractive())) {
      // elhaz's offer; a No is an answer, not a failure.
      if (!(await ui.askYesNo(`Config ${name} not found. Create it?`, false))) return;
      const add = (await import("./add.ts")).default;
      await add.run({
        ...context,
        args: { name, set: [], force: false, editor: false, "from-file": undefined, "role-arn": undefined },
      });
    }
    const { config } = store.parse(name);
    output.line(formatJson(args.obscure ? obscureConfig(config) : config));
  },
});
