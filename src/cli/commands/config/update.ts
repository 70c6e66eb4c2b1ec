// keyhole config update: changes to a config that keep the rest of its file, comments included.
import { diffValues } from "../../../config/edit.ts";
import { type ConfigStore, openConfigStore } from "../../../config/store.ts";
import { KeyholeError } from "../../../errors.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { nameOption, requireName } from "../../configs/names.ts";
import { changeOptions, changeText, readChanges, readSource, saveConfig, type Source } from "../../configs/text.ts";
import { editText } from "../../configs/editor.ts";
import { askMore, type ConfigValue } from "../../configs/questions.ts";

const args = {
  name: nameOption,
  ...changeOptions,
  unset: { type: "string", multiple: true, valueHint: "PATH", description: "Remove a value: AssumeRole.ExternalId" },
} as const;

type Named = Source & { readonly name: string };
type Context = CommandContext<typeof args>;

export default defineCommand({
  meta: { name: "config update", description: "Change a config" },
  examples: ["keyhole config update dev --set AssumeRole.DurationSeconds=3600", "keyhole config update dev --editor"],
  where: "host",
  args,
  async run(context) {
    const { ui, settings } = context;
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(context.args.name, context);
    const before = { text: store.readText(name), name };
    const after = await obtain(context, store, before);
    if (after === undefined || after.text === before.text) return ui.notice("nothing to change");
    await saveConfig(store, name, after, true, context);
    ui.notice(`config ${name} updated`);
  },
});

async function obtain(context: Context, store: ConfigStore, before: Named): Promise<Source | undefined> {
  const { args: given, ui } = context;
  const file = given["from-file"];
  if (file !== undefined || given.set.length > 0 || given.unset.length > 0) {
    const changes = readChanges(given.set, given.unset, context);
    const source = file === undefined ? before : await readSource(file, context);
    const text = changeText(source, changes, context);
    return { text: given.editor ? await editor(text, context, before.name) : text, name: source.name };
  }
  if (!(await ui.isInteractive())) {
    const hint = `keyhole config update -n ${before.name} --set AssumeRole.DurationSeconds=3600`;
    const problem = given.editor ? "an editor needs a terminal" : "--set, --unset or --from-file is missing";
    throw new KeyholeError("usage", problem, hint);
  }
  if (given.editor || !(await ui.askYesNo("Update config interactively?", true)))
    return { text: await editor(before.text, context, before.name), name: before.name };
  // A file that is not valid cannot fill in the answers; the error names the way through the editor.
  const current = store.parse(before.name).config as unknown as ConfigValue;
  const changes = diffValues(current, await askMore(ui, current));
  return { text: changeText(before, changes, context), name: before.name };
}

async function editor(text: string, context: Context, name: string): Promise<string> {
  return (await editText(text, name, context)) ?? text;
}
