// Help texts, made of the definitions by citty. Loaded when someone asks.
import { type CommandDef, renderUsage } from "citty";
import type { ArgDef, ArgsDef } from "../arguments.ts";
import { type AnyCommand, type CommandGroup, commonOptions } from "./command.ts";
import { daemonOptions } from "../settings.ts";

const FOREGROUND = [
  "  keyhole --daemon [--once] [--shared] [OPTIONS]    Run the daemon until SIGTERM, for a service manager",
  `                                        --shared    ${daemonOptions.shared.description}`,
].join("\n");

/** Exit statuses worth a line in the first help; the table is in errors.ts. */
const STATUSES = [
  "0 done, 1 failed, 2 usage, 3 no daemon, 4 no such config, session or grant,",
  "5 a person is needed, 6 AWS refused, 7 throttled or network, 8 blocked by a sandbox, 9 not allowed here,",
  "126, 127 and 128+n of exec, 130 interrupted",
];

/** The help of a command or group, without colours and without a newline at the end. */
export async function renderHelp(target: AnyCommand | CommandGroup): Promise<string> {
  const text = "subCommands" in target ? await renderGroup(target) : await renderCommand(target);
  const lines = text.split("\n");
  return lines
    .map((line) => line.trimEnd())
    .join("\n")
    .trim();
}

async function renderCommand(command: AnyCommand): Promise<string> {
  const args = Object.entries({ ...(command.args as ArgsDef), help: commonOptions.help });
  const shown = Object.fromEntries(args.map(([name, def]) => [name, withShortHint(def)]));
  const usage = await renderPlainUsage({ meta: named(command), args: shown });
  const rest = command.rest === "optional" ? "[-- COMMAND [ARGUMENT...]]" : "-- COMMAND [ARGUMENT...]";
  const operand = args.some(([, def]) => "operand" in def && def.operand) ? " [NAME]" : "";
  const after = command.rest === undefined ? operand : `${operand} ${rest}`;
  const text = usage.replace(/(USAGE.*?) *$/m, `$1${after}`);
  const notes = (command.notes ?? []).map((line) => `${line}\n`).join("");
  return `${text.trimEnd()}\n\n${notes === "" ? "" : `${notes}\n`}Options of all commands: keyhole --help`;
}

/** citty writes all values of an enum into the column of names; a value hint moves them into the description. */
function withShortHint(def: ArgDef): ArgDef {
  if (def.type !== "enum" || def.valueHint === undefined) return def;
  const { options, ...rest } = def;
  return { ...rest, type: "string", description: `${def.description}: ${options.join(", ")}` };
}

async function renderGroup(group: CommandGroup): Promise<string> {
  const shown = { ...group, meta: named(group) } as CommandDef;
  if (group.meta.name !== "") return renderPlainUsage(shown);
  const args = Object.fromEntries(
    Object.entries(commonOptions).map(([name, option]) => {
      const variable = "variable" in option ? ` [${option.variable}]` : "";
      return [name, { ...option, description: option.description + variable }];
    }),
  );
  const usage = await renderPlainUsage({ ...shown, args });
  const statuses = STATUSES.map((line) => `  ${line}`).join("\n");
  return `${usage.trimEnd()}\n\nTHE DAEMON IN THE FOREGROUND\n\n${FOREGROUND}\n\nEXIT STATUS\n\n${statuses}`;
}

/** citty decides about colours from the environment alone; help is also read in pipes and in tests. */
async function renderPlainUsage(command: CommandDef): Promise<string> {
  return Bun.stripANSI(await renderUsage(command));
}

function named({ meta }: AnyCommand | CommandGroup) {
  return { name: meta.name === "" ? "keyhole" : `keyhole ${meta.name}`, description: meta.description };
}
