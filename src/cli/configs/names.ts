// Which config or session a command is about: `-n NAME`, or a choice where a person is there to make it.
import { checkSourceName, formatSessionName, isConfigName, checkProfileName } from "../../config/name.ts";
import type { Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import type { Paths } from "../../paths.ts";
import type { CommandContext } from "../command.ts";
import type { Choice } from "../ui.ts";

/** `-n NAME` alone. */
export const nameFlag = {
  type: "string",
  alias: "n",
  valueHint: "NAME",
  description: "Name of the config; without it a terminal lists them, and a script fails",
} as const;

/** Of every command that is about one config: `-n NAME`, or NAME. */
export const nameOption = { ...nameFlag, operand: true, slips: ["--config", "--config-name"] } as const;

/** Of a command that asks for credentials: `keyhole shell` names one, too (`nameOrShells`). */
export const vendedNameOption = {
  ...nameOption,
  description: "Name of the config (default: KEYHOLE_CONFIG); without it a terminal lists them, and a script fails",
} as const;

/** Beside `vendedNameOption`, of a command that needs no config. */
export const profileOption = {
  type: "string",
  valueHint: "PROFILE",
  description: "A profile of ~/.aws, whose credentials are taken as they are, instead of a config",
  slips: ["-p"],
} as const;

/** What stands for a profile in place of a name. @throws KeyholeError `usage` for both */
export function nameOrProfile({
  name,
  profile,
}: {
  name: string | undefined;
  profile: string | undefined;
}): string | undefined {
  if (profile === undefined) return name;
  if (name === undefined) return checkProfileName(profile);
  throw new KeyholeError("usage", "--profile excludes NAME", "aws configure list-profiles");
}

/** The name that a command was given, else the one that `keyhole shell` was; no sandbox's socket is told the latter. */
export function nameOrShells(name: string | undefined, environment: Environment): string | undefined {
  return name ?? (environment["KEYHOLE_CONFIG"] || undefined);
}

interface NameChoices {
  /** What is chosen from, in the plural: `configs`. */
  readonly kind: string;
  /** What to do where there are none. */
  readonly hint: string;
  list(context: Context): Promise<readonly Choice[]>;
}

type Context = Pick<CommandContext, "ui" | "settings" | "host" | "environment">;

const configs: NameChoices = {
  kind: "configs",
  hint: "keyhole config add",
  list: async (context) => (await import("./overview.ts")).configChoices(context),
};

/**
 * The given name, or one that a person picks. Never asks without a terminal.
 *
 * @throws KeyholeError `usage` if it is missing and there is no terminal, `no-such-config` if there is nothing to pick.
 */
export async function requireName(name: string | undefined, context: Context, choices = configs): Promise<string> {
  if (name !== undefined) return checkSourceName(name);
  const { ui } = context;
  if (!(await ui.isInteractive())) throw new KeyholeError("usage", "-n NAME is missing", "keyhole config list");
  const found = await choices.list(context);
  if (found.length === 0) throw new KeyholeError("no-such-config", `there are no ${choices.kind}`, choices.hint);
  return ui.askChoice("Which one?", found);
}

/** The session of a config in the directory that this command is about; a name as `daemon list` has it is one already. */
export function sessionOf(name: string, { configDir, defaultConfigDir }: Paths): string {
  if (!isConfigName(name)) return name;
  return formatSessionName({
    config: name,
    directory: configDir === defaultConfigDir ? undefined : configDir,
    endpoint: undefined,
  });
}
