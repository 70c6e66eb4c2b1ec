// keyhole completion: a script that makes a shell complete keyhole's words. The script asks keyhole itself, each time.
import bash from "../completions/keyhole.bash" with { type: "text" };
import fish from "../completions/keyhole.fish" with { type: "text" };
import powershell from "../completions/keyhole.ps1" with { type: "text" };
import zsh from "../completions/keyhole.zsh" with { type: "text" };
import { KeyholeError } from "../../errors.ts";
import { type CommandContext, type CommandGroup, commonOptions, defineCommand, describeCommands } from "../command.ts";
import {
  type ArgDef,
  type ArgsDef,
  descriptionOf,
  findCommand,
  findOption,
  isOperand,
  isOption,
  takesNextWord,
  typedOption,
} from "../../arguments.ts";
import { keysAt, kindAt, type Path } from "../../config/fields.ts";
import { openConfigStore } from "../../config/store.ts";
import { openGrantStore } from "../../grants/store.ts";
import { titleOf, topics } from "../../help/topics.ts";
import { resolveSettings, settingOptions, type Settings, type SettingValues } from "../../settings.ts";
import { openAwsFiles } from "../reading-in-child.ts";
import { grantOperand } from "../grants/grants.ts";

const scripts: Readonly<Record<string, string>> = { bash, zsh, fish, powershell };
const shells = Object.keys(scripts).join(", ");

export default defineCommand({
  meta: { name: "completion", description: "Print a script for the completion of bash, zsh, fish or PowerShell" },
  examples: ['eval "$(keyhole completion bash)"', "keyhole completion fish"],
  where: "both",
  args: { shell: { type: "positional", description: `Which shell: ${shells}` } },
  rest: "optional",
  notes: [
    "The script asks keyhole completion words -- WORD..., which prints what may stand for the last word, one a line,",
    "with a tab and a description behind it.",
  ],
  async run(context) {
    const { args, output, rest } = context;
    if (args.shell === "words") {
      const found = await candidatesFor(rest, context);
      if (found.length > 0) output.line(found.map(({ word, description }) => `${word}\t${description}`).join("\n"));
      return;
    }
    const script = Object.hasOwn(scripts, args.shell) ? scripts[args.shell] : undefined;
    if (script === undefined) {
      throw new KeyholeError("usage", `SHELL must be one of ${shells}`, "keyhole completion bash");
    }
    output.line(script.trimEnd());
  },
});

interface Candidate {
  readonly word: string;
  readonly description: string;
}

type World = Pick<CommandContext, "environment" | "host" | "root">;
type Lister = (world: World, settings: Settings) => Promise<readonly Candidate[]> | readonly Candidate[];

/** Words that a shell takes as they are. Others would have to be quoted, and may come from files of others. */
const PLAIN = /^[\w.@+=/-]+$/;

/**
 * What may stand for the word that is being typed: what the scripts ask. Starts no daemon.
 *
 * @param words those after `keyhole`, the last being typed; `""` is an empty one, which Windows PowerShell cannot pass
 * @returns none where the shell knows better: paths, and the words of another program
 */
async function candidatesFor(words: readonly string[], world: World): Promise<readonly Candidate[]> {
  const typed = words.at(-1) ?? "";
  const current = typed === '""' ? "" : typed;
  const before = words.slice(0, -1);
  if (before.includes("--")) return [];
  try {
    const found = await offers(before, current, world);
    return found.filter(({ word }) => word.startsWith(current) && PLAIN.test(word));
  } catch {
    // An unknown command, or a directory that cannot be read: there is nothing to offer.
    return [];
  }
}

async function offers(before: readonly string[], current: string, world: World): Promise<readonly Candidate[]> {
  const { target: found, words } = findCommand(world.root, before, commonOptions);
  const target = typeof found === "function" ? await found() : found;
  const isGroup = "subCommands" in target;
  const defs: ArgsDef = { ...(isGroup ? {} : (target.args as ArgsDef)), ...commonOptions };
  const { values, pending, operands } = understand(words, defs);
  const listed = async (name: string, def: ArgDef) => {
    const settings = resolveSettings(values, world.environment, () => world.host.cwd());
    return def.type === "enum" ? plain(def.options) : ((await listerOf(name, def)?.(world, settings)) ?? []);
  };

  if (pending !== undefined) return listed(...pending);
  const inline = /^--[\w-]+=/.exec(current)?.[0];
  const use = inline === undefined ? undefined : findOption(current, defs);
  if (use !== undefined) {
    return (await listed(use.name, use.def)).map((each) => ({ ...each, word: `${inline}${each.word}` }));
  }
  if (isGroup) return current.startsWith("-") ? optionsOf(defs) : commandsOf(target);
  const operand = Object.entries(target.args as ArgsDef).filter(([, def]) => isOperand(def))[operands];
  const fromOperand = operand === undefined || current.startsWith("-") ? [] : await listed(...operand);
  if (fromOperand.length > 0) return fromOperand;
  // Those of all commands are no news where nothing is typed.
  return optionsOf(current === "" ? { ...(target.args as ArgsDef), help: commonOptions.help } : defs);
}

/** What a command's words say already: settings, the option whose value is next, and how many operands there are. */
function understand(words: readonly string[], defs: ArgsDef) {
  const values: Record<string, string> = {};
  let operands = 0;
  for (let at = 0; at < words.length; at++) {
    const use = isOption(words[at]!) ? findOption(words[at]!, defs) : undefined;
    if (!isOption(words[at]!)) operands += 1;
    if (use === undefined) continue;
    const takesNext = takesNextWord(use, words[at + 1]);
    if (takesNext && at + 1 === words.length) return { values, operands, pending: [use.name, use.def] as const };
    const value = takesNext ? words[++at] : use.inline;
    if (value !== undefined && Object.hasOwn(settingOptions, use.name)) values[use.name] = value;
  }
  return { values: values as SettingValues, operands, pending: undefined };
}

function optionsOf(defs: ArgsDef): Candidate[] {
  return Object.entries(defs).flatMap(([name, def]) => {
    if (def.type === "positional") return [];
    return [{ word: typedOption(name, def), description: descriptionOf(def) }];
  });
}

async function commandsOf(group: CommandGroup): Promise<Candidate[]> {
  return (await describeCommands(group)).map(([word, description]) => ({ word, description }));
}

const plain = (words: readonly string[]) => words.map((word) => ({ word, description: "" }));

const listConfigs: Lister = (_, { paths }) => {
  const store = openConfigStore(paths.configDir);
  return store.list().map((word) => ({ word, description: describeConfig(store, word) }));
};

/** Which role or profile it is; nothing for a file that is not valid. */
function describeConfig(store: ReturnType<typeof openConfigStore>, name: string): string {
  try {
    const { config } = store.parse(name);
    return config.Meta?.description ?? config.AssumeRole?.RoleArn ?? config.Session?.profile_name ?? "";
  } catch {
    return "";
  }
}

const listGrants: Lister = (_, { paths }) => plain(openGrantStore(paths.grantDir).list());

const listProfiles: Lister = async (world) => {
  const { profiles } = (await openAwsFiles(world)).sources.shared;
  return [...profiles].map(([word, settings]) => ({ word, description: settings.get("role_arn") ?? "" }));
};

const listTopics: Lister = async ({ root }) => [
  ...Object.entries(topics).map(([word, text]) => ({ word, description: titleOf(text) })),
  ...(await commandsOf(root)),
];

/** Where a value can be set in a config: `AssumeRole.RoleArn=`. */
const listPaths: Lister = () =>
  pathsBelow([]).map((path) => ({ word: `${path.join(".")}=`, description: kindAt(path) ?? "" }));

function pathsBelow(path: Path): Path[] {
  return keysAt(path).flatMap((key) => {
    const below = [...path, key];
    return kindAt(below) === "mapping" ? pathsBelow(below) : [below];
  });
}

/** Options and operands whose values are names of something, by their own names. */
const listers: Readonly<Record<string, Lister>> = {
  config: listConfigs,
  grant: listGrants,
  old: listConfigs,
  profile: listProfiles,
  set: listPaths,
  shell: () => plain(["bash", "zsh", "fish", "powershell"]),
  topic: listTopics,
  unset: listPaths,
};

function listerOf(name: string, def: ArgDef): Lister | undefined {
  if (def === grantOperand) return listGrants;
  // The operand NAME of another command is a new name.
  if (name === "name") return def.type === "positional" ? undefined : listConfigs;
  return Object.hasOwn(listers, name) ? listers[name] : undefined;
}
