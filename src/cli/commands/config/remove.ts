// keyhole config remove and rename: a config that is gone takes its session with it.
import { openConfigStore } from "../../../config/store.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { nameFlag, nameOption, requireName, sessionOf } from "../../configs/names.ts";
import { hasConsent, yesOption } from "../../ui.ts";
import { KeyholeError } from "../../../errors.ts";
import { withDaemonIfAny } from "../../daemon/broker.ts";

export const remove = defineCommand({
  meta: { name: "config remove", description: "Remove a config and its session" },
  examples: ["keyhole config remove dev", "keyhole config remove dev --yes"],
  where: "host",
  args: { name: nameOption, yes: yesOption },
  async run(context) {
    const { args, ui, settings } = context;
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(args.name, context);
    const command = `keyhole config remove --yes -n ${name}`;
    // A config that does not exist is an error, not a question.
    const yes = args.yes || !store.list().includes(name);
    if (!(await hasConsent(yes, ui, `Remove config ${name}?`, command))) return;
    store.remove(name);
    await evictSession(name, context);
    ui.notice(`config ${name} removed`);
  },
});

export const rename = defineCommand({
  meta: { name: "config rename", description: "Give a config another name" },
  examples: ["keyhole config rename dev staging", "keyhole config rename -n dev --to staging"],
  where: "host",
  args: {
    old: { type: "positional", required: false, description: "The config, as -n NAME" },
    new: { type: "positional", required: false, description: "Its new name, as --to NAME" },
    name: nameFlag,
    to: { type: "string", valueHint: "NAME", description: "The new name" },
  },
  async run(context) {
    const { args, ui, settings } = context;
    // With -n the one operand is the new name.
    const [given, operand] = args.name === undefined ? [args.old, args.new] : [args.name, args.old];
    if ((operand !== undefined && args.to !== undefined) || (args.name !== undefined && args.new !== undefined))
      throw new KeyholeError("usage", "a name is given twice", "keyhole config rename OLD NEW");
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(given, context);
    const to = operand ?? args.to;
    if (to === undefined && !(await ui.isInteractive()))
      throw new KeyholeError("usage", "the new name is missing", "keyhole config rename OLD NEW");
    const newName = to ?? (await ui.askText(`New name of ${name}`));
    store.rename(name, newName);
    await evictSession(name, context);
    ui.notice(`config ${name} renamed to ${newName}`);
  },
});

/** Best effort: a daemon that does not answer, or does not know the session, is no reason to fail. */
async function evictSession(name: string, { settings, ui }: Pick<CommandContext, "settings" | "ui">) {
  try {
    await withDaemonIfAny(settings, (connection) =>
      connection.request("Remove", { config: sessionOf(name, settings.paths) }),
    );
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    if (error.kind === "no-such-session" || error.kind === "no-such-config") return;
    ui.warn(`the session of ${name} may still be there: ${error.message}`, `keyhole daemon remove -n ${name}`);
  }
}
