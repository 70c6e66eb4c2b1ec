// keyhole config remove: a config, and the daemon's session of it.
import { openConfigStore } from "../../../config/store.ts";
import { KeyholeError } from "../../../errors.ts";
import { defineCommand } from "../../command.ts";
import { configChoices } from "../../configs/choices.ts";
import { evictSession } from "../../configs/evict.ts";
import { nameOption, requireName } from "../../configs/names.ts";

export default defineCommand({
  meta: { name: "config remove", description: "Remove a config and its session" },
  args: {
    name: nameOption,
    yes: { type: "boolean", alias: "y", description: "Do not ask" },
  },
  async run(context) {
    const { args, ui, settings } = context;
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(args.name, ui, configChoices(settings.paths));
    if (!args.yes && store.list().includes(name)) {
      if (!(await ui.isInteractive()))
        throw new KeyholeError("usage", "--yes is missing", `keyhole config remove --yes -n ${name}`);
      if (!(await ui.askYesNo(`Remove config ${name}?`, false))) return;
    }
    store.remove(name);
    await evictSession(name, context);
    ui.notice(`config ${name} removed`);
  },
});
