// keyhole config add: a new config from flags, a file, questions or an editor.
import { dumpYaml } from "../../../config/edit.ts";
import { openConfigStore } from "../../../config/store.ts";
import { checkConfigName } from "../../../config/name.ts";
import { KeyholeError } from "../../../errors.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { changeOptions, changeText, readChanges, readSource, saveConfig, type Source } from "../../configs/text.ts";
import { editText, TEMPLATE } from "../../configs/editor.ts";
import { nameOption } from "../../configs/names.ts";
import { askConfig } from "../../configs/questions.ts";

const args = {
  name: { ...nameOption, description: "Name of the config; without it a terminal is asked" },
  "role-arn": { type: "string", valueHint: "ARN", description: "The role to assume", slips: ["--role", "--arn"] },
  ...changeOptions,
  force: { type: "boolean", description: "Replace a config of that name" },
} as const;

type Context = CommandContext<typeof args>;

export default defineCommand({
  meta: { name: "config add", description: "Save the parameters of a role under a name" },
  examples: [
    "keyhole config add dev --role-arn arn:aws:iam::111122223333:role/dev",
    "keyhole config add ci --from-file ci.yaml",
  ],
  where: "host",
  args,
  notes: [
    "A role that asks for MFA: --set AssumeRole.SerialNumber=ARN. Its codes come from you, at the terminal, or from",
    "  --set MFA.command='ykman oath accounts code --single NAME'",
    "  --set MFA.command='op item get NAME --otp'",
    "  --set MFA.command='pass otp NAME'",
    "  --set MFA.command='oathtool --totp --base32 @FILE'",
    "It runs without a shell; {serial} in it is the device. One code serves all roles of a device for 12 h.",
  ],
  async run(context) {
    const { ui, settings } = context;
    const store = openConfigStore(settings.paths.configDir);
    const name = checkConfigName(context.args.name ?? (await askName(context)));
    const replace = context.args.force || store.exists(name);
    if (store.exists(name) && !context.args.force && !(await mayReplace(context, name))) return;
    const source = await obtain(context, name);
    if (source === undefined) return ui.notice("nothing was saved");
    saveConfig(store, name, source, replace, context);
    ui.notice(`config ${name} created`);
  },
});

async function askName({ ui }: Context): Promise<string> {
  if (await ui.isInteractive()) return ui.askText("Name of the config");
  throw new KeyholeError("usage", "-n NAME is missing", "keyhole config add -n NAME --role-arn ARN");
}

async function mayReplace({ ui }: Context, name: string): Promise<boolean> {
  if (await ui.isInteractive()) return ui.askYesNo(`Config ${name} already exists. Overwrite?`, false);
  throw new KeyholeError(
    "config-exists",
    `config ${name} exists; --force replaces it`,
    `keyhole config update -n ${name}`,
  );
}

/** The text from the flags if they say anything of it, else from a person. */
async function obtain(context: Context, name: string): Promise<Source | undefined> {
  const { args: given, ui } = context;
  const file = given["from-file"];
  const role = given["role-arn"] === undefined ? [] : [`AssumeRole.RoleArn=${given["role-arn"]}`];
  if (file !== undefined || role.length > 0 || given.set.length > 0) {
    const changes = readChanges([...role, ...given.set], [], context);
    const source = file === undefined ? { text: "", name: undefined } : await readSource(file, context);
    const text = changeText(source, changes, context);
    if (!given.editor) return { text, name: source.name };
    return { text: (await editText(text, name, context)) ?? text, name: undefined };
  }
  if (!(await ui.isInteractive())) {
    const hint = `keyhole config add -n ${name} --role-arn ARN`;
    throw new KeyholeError("usage", "--role-arn ARN or --from-file FILE is missing", hint);
  }
  if (!given.editor && (await ui.askYesNo("Create config interactively?", true)))
    return { text: dumpYaml(await askConfig(ui, {})), name: undefined };
  const text = await editText(TEMPLATE, name, context);
  return text === undefined ? undefined : { text, name: undefined };
}
