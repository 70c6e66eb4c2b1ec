// keyhole config rename: another name for a config. A session of the old name ends.
import { openConfigStore } from "../../../config/store.ts";
import { KeyholeError } from "../../../errors.ts";
import { defineCommand } from "../../command.ts";
import { configChoices } from "../../configs/choices.ts";
import { evictSession } from "../../configs/evict.ts";
import { nameOption, requireName } from "../../configs/names.ts";

export default defineCommand({
  meta: { name: "config rename", description: "Give a config another name" },
  where: "host",
  args: {
    old: { type: "positional", required: false, description: "The config, as -n NAME" },
    new: { type: "positional", required: false, description: "Its new name, as --to NAME" },
    name: nameOption,
    to: { type: "string", valueHint: "NAME", description: "The new name" },
  },
  async run(context) {
    const { args, ui, settings } = context;
    // With -n the one operand is the new name.
    const [given, operand] = args.name === undefined ? [args.old, args.new] : [args.name, args.old];
    if ((operand !== undefined && args.to !== undefined) || (args.name !== undefined && args.new !== undefined))
      throw new KeyholeError("usage", "a name is given twice", "keyhole config rename OLD NEW");
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(given, ui, configChoices(settings.paths));
    const to = operand ?? args.to;
    if (to === undefined && !(await ui.isInteractive()))
      throw new KeyholeError("usage", "the new name is missing", "keyhole config rename OLD NEW");
    const newName = to ?? (await ui.askText(`New name of ${name}`));
    store.rename(name, newName);
    await evictSession(name, context);
    ui.notice(`config ${name} renamed to ${newName}`);
  },
});
