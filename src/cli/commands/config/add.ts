// keyhole config add: a new config from flags, a file, questions or an editor.
import { dumpYaml } from "../../../config/edit.ts";
import { type ConfigStore, openConfigStore } from "../../../config/store.ts";
import { checkConfigName, isConfigName } from "../../../config/name.ts";
import { KeyholeError, keyholeErrorOf } from "../../../errors.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { changeOptions, changeText, readChanges, readSource, saveConfig, type Source } from "../../configs/text.ts";
import { editText, TEMPLATE } from "../../configs/editor.ts";
import { nameOption, sessionOf } from "../../configs/names.ts";
import { describeProfile, usableProfiles } from "../../configs/overview.ts";
import { withSession } from "../../daemon/broker.ts";
import { openAwsFiles } from "../../reading-in-child.ts";
import { execLine } from "../welcome.ts";
import { askNew } from "../../configs/questions.ts";

const args = {
  name: { ...nameOption, description: "Name of the config; without it a terminal is asked" },
  "role-arn": { type: "string", valueHint: "ARN", description: "The role to assume", slips: ["--role", "--arn"] },
  profile: {
    type: "string",
    valueHint: "PROFILE",
    description: "The profile of ~/.aws whose credentials it takes",
    slips: ["-p"],
  },
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
    const name = context.args.name ?? (await askName(context, store));
    checkConfigName(name);
    const replace = context.args.force || store.exists(name);
    // A name that was typed just now has been asked about.
    const isAsked = context.args.name === undefined;
    if (store.exists(name) && !context.args.force && !isAsked && !(await mayReplace(context, name))) return;
    const made = await obtain(context, name);
    if (made === undefined) return ui.notice("nothing was saved");
    await saveConfig(store, name, made.source, replace, context);
    ui.notice(`config ${name} created`);
    if (made.isAsked && (await ui.askYesNo("Test it now?", true))) await tryOut(context, name);
    if (made.isAsked) ui.notice(`next: ${execLine({ name, isProfile: false })}`);
  },
});

/** Asked again until it is a name, and one that may be taken. */
async function askName(context: Context, store: ConfigStore): Promise<string> {
  const { ui } = context;
  if (!(await ui.isInteractive()))
    throw new KeyholeError("usage", "-n NAME is missing", "keyhole config add -n NAME --role-arn ARN");
  for (;;) {
    const name = (await ui.askText("Name of the config")).trim();
    if (!isConfigName(name)) ui.warn("a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _");
    else if (!store.exists(name) || context.args.force || (await mayReplace(context, name))) return name;
  }
}

/** Who AWS says that it is. What is wrong is said, and the config stays. */
async function tryOut(context: Context, name: string): Promise<void> {
  const { ui, settings } = context;
  try {
    const { arn } = await withSession(context, sessionOf(name, settings.paths), (link, session) =>
      link.request("Identity", { config: session }),
    );
    ui.notice(`it works: ${arn}`);
  } catch (error) {
    const { message, hint } = keyholeErrorOf(error);
    ui.warn(message, hint);
  }
}

async function mayReplace({ ui }: Context, name: string): Promise<boolean> {
  if (await ui.isInteractive()) return ui.askYesNo(`Config ${name} already exists. Overwrite?`, false);
  throw new KeyholeError(
    "config-exists",
    `config ${name} exists; --force replaces it`,
    `keyhole config update -n ${name}`,
  );
}

interface Made {
  readonly source: Source;
  /** By answers of a person. */
  readonly isAsked: boolean;
}

/** The text from the flags if they say anything of it, else from a person. */
async function obtain(context: Context, name: string): Promise<Made | undefined> {
  const { args: given, ui } = context;
  const file = given["from-file"];
  const role = given["role-arn"] === undefined ? [] : [`AssumeRole.RoleArn=${given["role-arn"]}`];
  const profile = given.profile === undefined ? [] : [`Session.profile_name=${given.profile}`];
  const settings = [...role, ...profile, ...given.set];
  if (file !== undefined || settings.length > 0) {
    const changes = readChanges(settings, [], context);
    const source = file === undefined ? { text: "", name: undefined } : await readSource(file, context);
    const text = changeText(source, changes, context);
    if (!given.editor) return { source: { text, name: source.name }, isAsked: false };
    return { source: { text: (await editText(text, name, context)) ?? text, name: undefined }, isAsked: false };
  }
  if (!(await ui.isInteractive())) {
    const hint = `keyhole config add ${name} --role-arn ARN`;
    const problem = given.editor ? "an editor needs a terminal" : "--role-arn ARN or --from-file FILE is missing";
    throw new KeyholeError("usage", problem, hint);
  }
  if (given.editor) {
    const text = await editText(TEMPLATE, name, context);
    return text === undefined ? undefined : { source: { text, name: undefined }, isAsked: false };
  }
  const { sources } = await openAwsFiles(context);
  const profiles = usableProfiles(sources).map((value) => ({ value, details: [describeProfile(sources, value)] }));
  return { source: { text: dumpYaml(await askNew(ui, profiles)), name: undefined }, isAsked: true };
}
