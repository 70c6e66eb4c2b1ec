// The text of a config from its sources: a file, stdin, flags, an editor; and the way into the store.
import * as fs from "node:fs";
import { type Change, parseChanges } from "../../config/change.ts";
import { applyChanges, type Edited } from "../../config/edit.ts";
import { parseConfig } from "../../config/parse.ts";
import type { Config } from "../../config/config.ts";
import type { ConfigStore } from "../../config/store.ts";
import { codeOf, KeyholeError } from "../../errors.ts";
import { absolutePath } from "../../paths.ts";
import { profileRefusal } from "../../sources/resolve/profile-plan.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { CommandContext } from "../command.ts";
import { openAwsFiles } from "../reading-in-child.ts";

/** Options of every command that changes a config. */
export const changeOptions = {
  set: {
    type: "string",
    multiple: true,
    valueHint: "PATH=VALUE",
    description: "Set a value: AssumeRole.DurationSeconds=3600; a list by repeating its path",
  },
  "from-file": {
    type: "string",
    valueHint: "FILE",
    description: "Take the config from a YAML or JSON file, or from stdin (-)",
  },
  editor: { type: "boolean", description: "Write the config in $VISUAL or $EDITOR" },
} as const;

type Caller = Pick<CommandContext, "host" | "ui">;

/** A text and what to call it in an error; undefined for one that was made of flags or answers. */
export interface Source {
  readonly text: string;
  readonly name: string | undefined;
}

/** @param file a path, taken from the working directory, or `-` */
export async function readSource(file: string, { host }: Caller): Promise<Source> {
  if (file === "-") return { text: await host.readStdin(), name: "stdin" };
  const path = absolutePath(file, () => host.cwd());
  try {
    return { text: fs.readFileSync(path, "utf8"), name: file };
  } catch (error) {
    throw new KeyholeError("usage", `cannot read ${file} (${codeOf(error) ?? "unknown"})`, `ls -l ${quotePosix(file)}`);
  }
}

/** The changes of the command line. Warns of a secret there, where every user of the machine can read it. */
export function readChanges(settings: readonly string[], removals: readonly string[], { ui }: Caller): Change[] {
  const changes = parseChanges(settings, removals);
  const secret = changes.find(({ path, value }) => value !== undefined && /secret|session_token/.test(path.join(".")));
  if (secret !== undefined)
    ui.warn(
      `${secret.path.join(".")} was given on the command line, where other users can read it`,
      "keyhole config add --from-file - -n NAME",
    );
  return changes;
}

/** A text with changes, and a word about comments that could not be kept. */
export function changeText(source: Source, changes: readonly Change[], { ui }: Caller): string {
  const edited: Edited = applyChanges(source.text, changes, source.name ?? "the config");
  if (edited.lostComments) ui.warn(`comments in ${source.name ?? "the config"} could not be kept`);
  return edited.text;
}

/** Checks a text, says what is odd about it, and saves it. @throws KeyholeError as ConfigStore.save does. */
export function saveText(
  store: Pick<ConfigStore, "save">,
  name: string,
  source: Source,
  replace: boolean,
  { ui }: Pick<Caller, "ui">,
): Config {
  const { config, warnings } = parseConfig(source.text, source.name, cureOf(source, name));
  for (const warning of warnings) ui.warn(warning);
  store.save(name, source.text, replace);
  return config;
}

/** A command for a text that is no config; what was not saved cannot be edited by its name. */
function cureOf({ name: file, text }: Source, name: string): string {
  if (file === undefined) return "keyhole config add --help";
  if (file === name) return `keyhole config update --editor -n ${name}`;
  if (/^\s*\[[\w -]+\]/.test(text)) return "keyhole config import --all --dry-run";
  return file === "stdin" ? "keyhole help configs" : `\${EDITOR:-vi} ${quotePosix(file)}`;
}

/** As `saveText`, and says what is odd about the profile that it names. */
export async function saveConfig(
  store: ConfigStore,
  name: string,
  source: Source,
  replace: boolean,
  context: Pick<CommandContext, "host" | "ui" | "environment">,
): Promise<void> {
  const { Session: session } = saveText(store, name, source, replace, context);
  if (session?.profile_name === undefined) return;
  const { sources, refusals } = await openAwsFiles(context);
  const [refusal = profileRefusal(sources, session.profile_name)] = refusals;
  if (refusal) context.ui.warn(`Session.profile_name: ${refusal.message}`, refusal.hint);
}
