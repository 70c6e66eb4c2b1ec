// Help pages, made of the definitions. citty's renderUsage aligns options to the right, before the commands, in lines of
// any length, and knows neither examples nor words after `--`. Loaded when someone asks.
import { type ArgDef, type ArgsDef, descriptionOf, typedOption } from "../arguments.ts";
import { daemonOptions } from "../settings.ts";
import { type AnyCommand, type CommandGroup, commonOptions, describeCommands } from "./command.ts";

/** What a page says, whether it becomes a text or a manual page. */
export interface Page {
  /** `keyhole exec` */
  readonly name: string;
  readonly description: string;
  /** Command lines, without the name. */
  readonly usage: readonly string[];
  readonly sections: readonly Section[];
}

export interface Section {
  readonly title: string;
  /** A term and what it means. */
  readonly rows?: readonly (readonly [string, string])[];
  /** Sentences, and between them command lines, which begin with two blanks. */
  readonly lines?: readonly string[];
  readonly commands?: readonly string[];
}

/** The help of a command or group, within 80 columns, without colours and without a newline at the end. */
export async function renderHelp(target: AnyCommand | CommandGroup): Promise<string> {
  const { name, description, usage, sections } = await pageOf(target);
  const more = name === "keyhole" ? "Topics: keyhole help" : "Options of all commands: keyhole --help";
  return [
    description,
    renderSection({ title: "USAGE", commands: usage.map((line) => `${name} ${line}`) }),
    ...sections.map(renderSection),
    more,
  ].join("\n\n");
}

/** What `keyhole help --man` and `--help` both say. */
export async function pageOf(target: AnyCommand | CommandGroup): Promise<Page> {
  const name = `keyhole ${target.meta.name}`.trim();
  const { description } = target.meta;
  if ("subCommands" in target) {
    const usage = name === "keyhole" ? ["COMMAND [OPTIONS]", "--daemon [--once] [--shared] [OPTIONS]"] : ["COMMAND"];
    return { name, description, usage, sections: await sectionsOfGroup(target) };
  }
  const { examples, notes = [] } = target;
  const args = target.args as ArgsDef;
  const operands = Object.entries(args).filter(([, { type }]) => type === "positional");
  const options = Object.entries<ArgDef>({ ...args, help: commonOptions.help });
  const sections: Section[] = [
    { title: "ARGUMENTS", rows: operands.map(([word, def]) => [word.toUpperCase(), def.description]) },
    { title: "OPTIONS", rows: rowsOf(options) },
    { title: "NOTES", lines: notes },
    { title: "EXAMPLES", commands: examples },
  ];
  return { name, description, usage: [usageOf(target)], sections: sections.filter(isFilled) };
}

function isFilled({ rows, lines, commands }: Section): boolean {
  return (rows ?? lines ?? commands ?? []).length > 0;
}

function usageOf({ args, rest }: AnyCommand): string {
  const words = Object.entries(args as ArgsDef).flatMap(([name, def]) => {
    if (def.type === "positional") return def.required === false ? `[${name.toUpperCase()}]` : name.toUpperCase();
    if ("operand" in def && def.operand) return `[${valueOf(def)}]`;
    return def.required === true ? `--${name} ${valueOf(def)}` : [];
  });
  const program =
    rest === undefined ? [] : ["-- COMMAND [ARGUMENT...]"].map((each) => (rest === true ? each : `[${each}]`));
  return ["[OPTIONS]", ...words, ...program].join(" ");
}

async function sectionsOfGroup(group: CommandGroup): Promise<Section[]> {
  const { aliases = {}, meta } = group;
  const rows = Object.entries(aliases).map(([alias, words]) => [alias, `keyhole ${words.join(" ")}`] as const);
  const sections: Section[] = [
    { title: "COMMANDS", rows: await describeCommands(group) },
    { title: "OTHER WORDS", rows },
    { title: "OPTIONS", rows: rowsOf(meta.name === "" ? Object.entries(ofAll) : []) },
  ];
  return sections.filter(isFilled);
}

/** Of all commands, and of the daemon in the foreground. */
const ofAll: ArgsDef = {
  ...commonOptions,
  daemon: { type: "boolean", description: "Run the daemon in the foreground, for a service manager" },
  ...daemonOptions,
};

function rowsOf(options: readonly (readonly [string, ArgDef])[]): (readonly [string, string])[] {
  return options
    .filter(([, { type }]) => type !== "positional")
    .map(([name, def]) => {
      const aliases = [("alias" in def && def.alias) || []].flat().map((alias) => `-${alias}`);
      const flags = [...aliases, typedOption(name, def)].join(", ");
      if (def.type === "boolean") return [flags, describe(def)] as const;
      const value = "bare" in def && def.bare ? `[${valueOf(def)}]` : valueOf(def);
      return [`${flags} ${value}`, describe(def)] as const;
    });
}

/** What stands for an option's value; a list too long for that is in the description. */
function valueOf(def: ArgDef): string {
  if ("valueHint" in def && def.valueHint !== undefined) return def.valueHint;
  return def.type === "enum" ? def.options.join("|") : "VALUE";
}

function describe(def: ArgDef): string {
  if (def.type === "boolean") return descriptionOf(def) + variableOf(def);
  const values = def.type === "enum" && def.valueHint !== undefined ? `: ${def.options.join(", ")}` : "";
  const byDefault = def.default === undefined || def.default === "" ? "" : ` (default: ${def.default})`;
  return `${def.description}${values}${byDefault}${def.required === true ? " (required)" : ""}${variableOf(def)}`;
}

function variableOf(def: ArgDef): string {
  return "variable" in def ? ` [${String(def.variable)}]` : "";
}

const COLUMNS = 80;
/** A longer term has a line of its own. */
const WIDEST_TERM = 24;

function renderSection({ title, rows, lines = [], commands = [] }: Section): string {
  const width = Math.max(0, ...(rows ?? []).map(([term]) => term.length).filter((length) => length <= WIDEST_TERM));
  const shown = (rows ?? []).map(([term, text]) => renderRow(term, text, width));
  const sentences = paragraphsOf(lines).map(renderParagraph);
  return [title, ...shown, ...sentences, ...commands.map((line) => `  ${line}`)].join("\n");
}

function renderRow(term: string, text: string, width: number): string {
  const margin = " ".repeat(2 + width + 2);
  const wrapped = Bun.wrapAnsi(text, COLUMNS - margin.length).replaceAll("\n", `\n${margin}`);
  return term.length > width ? `  ${term}\n${margin}${wrapped}` : `  ${term.padEnd(width)}  ${wrapped}`;
}

/** Sentences that follow each other are one paragraph; command lines stay as they are. */
export function paragraphsOf(lines: readonly string[]): string[] {
  const found: string[] = [];
  for (const [at, line] of lines.entries()) {
    const isText = !line.startsWith("  ");
    if (isText && at > 0 && !lines[at - 1]!.startsWith("  ")) found.push(`${found.pop()!} ${line}`);
    else found.push(line);
  }
  return found;
}

function renderParagraph(text: string): string {
  if (text.startsWith("  ")) return `  ${text}`;
  return `  ${Bun.wrapAnsi(text, COLUMNS - 2).replaceAll("\n", "\n  ")}`;
}
