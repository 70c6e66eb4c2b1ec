// keyhole config remove: a config, and the daemon's session of it.
import { openConfigStore } from "../../../config/store.ts";
import { defineCommand } from "../../command.ts";
import { configChoices } from "../../configs/choices.ts";
import { evictSession } from "../../configs/evict.ts";
import { nameOption, requireName } from "../../configs/names.ts";
import { hasConsent, yesOption } from "../../consent.ts";

export default defineCommand({
  meta: { name: "config remove", description: "Remove a config and its session" },
  where: "host",
  args: { name: nameOption, yes: yesOption },
  async run(context) {
    const { args, ui, settings } = context;
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(args.name, ui, configChoices(settings.paths));
    const command = `keyhole config remove --yes -n ${name}`;
    // What is not there is said without a question.
    const yes = args.yes || !store.list().includes(name);
    if (!(await hasConsent(yes, ui, `Remove config ${name}?`, command))) return;
    store.remove(name);
    await evictSession(name, context);
    ui.notice(`config ${name} removed`);
  },
});
