// One command from its words to its exit status, in a given world. main.ts gives the real one, tests their own.
import {
  type ArgsDef,
  findCommand,
  findOperand,
  findOption,
  findSlip,
  isOperand,
  parseArguments,
  splitRest,
} from "../arguments.ts";
import { isConfigName } from "../config/name.ts";
import type { Environment } from "../environment.ts";
import { KeyholeError, keyholeErrorOf } from "../errors.ts";
import { refusalOfWalk } from "../loop.ts";
import { quotePosix } from "../text/quoting.ts";
import { resolveSettings, settingOptions, type Settings } from "../settings.ts";
import {
  type AnyCommand,
  type CommandContext,
  type CommandGroup,
  type CommandLoader,
  commonOptions,
} from "./command.ts";
import { environmentFor, lazyTarget, ownGrantDirectory, refuseElsewhere } from "./where.ts";
import type { Ui } from "./ui.ts";

export type World = Pick<CommandContext, "environment" | "ui" | "output" | "host" | "root">;

/** Returns the exit status, and throws nothing. Nothing happens before all words are understood. */
export async function run(words: readonly string[], world: World): Promise<number> {
  const ui = keepPaths(world.ui, splitRest(words).own);
  try {
    refuseWalk(world);
    return await dispatch(meantWords(words, world), { ...world, ui });
  } catch (error) {
    ui.fail(error);
    return keyholeErrorOf(error).exitStatus;
  }
}

function refuseWalk({ environment, output }: World): void {
  const refusal = refusalOfWalk(environment);
  if (refusal === undefined) return;
  output.line(refusal.message);
  throw refusal;
}

/** In a grant's directory the executable alone is a `credential_process`. */
function meantWords(words: readonly string[], { host }: World): readonly string[] {
  if (words.length > 0 || ownGrantDirectory(host) === undefined) return words;
  return ["export", "--format", "credential-process"];
}

async function dispatch(words: readonly string[], world: World): Promise<number> {
  const { own, rest } = splitRest(words);
  const found = findMeant(own, world);
  const target = typeof found.target === "function" ? await found.target() : found.target;
  refuseElhazWords(own, world.environment);
  if (own.some((word) => word === "--help" || word === "-h")) {
    world.output.line(await renderHelp(target));
    return 0;
  }
  if ("subCommands" in target) return runGroup(target, found.words, world);
  if (found.name === "help") return runHelp(target, found.words, world);
  return runCommand(target, found.words, rest, world);
}

/** @throws KeyholeError as findCommand does, with what can be done with a config whose name stands for a command. */
function findMeant(own: readonly string[], world: World): ReturnType<typeof findCommand<CommandLoader>> {
  try {
    return findCommand(world.root, own, commonOptions);
  } catch (error) {
    const [name = ""] = own;
    if (!isConfigName(name) || Object.hasOwn(world.root.subCommands, name) || !hasConfig(name, world)) throw error;
    throw new KeyholeError(
      "usage",
      `${keyholeErrorOf(error).message}; there is a config of that name`,
      `keyhole exec -n ${name} -- COMMAND`,
    );
  }
}

function hasConfig(name: string, { host, environment }: World): boolean {
  try {
    const { paths } = resolveSettings({}, environmentFor(host, environment), () => host.cwd());
    return isThere(`${paths.configDir}/${name}.yaml`);
  } catch {
    return false;
  }
}

/** What means something else in elhaz: `-h 3` was `--head 3`, and typer has options for completion. */
function refuseElhazWords(own: readonly string[], { SHELL: shell = "" }: Environment): void {
  const head = /(?<= logs .*-h )[0-9]+(?= |$)/.exec(` ${own.join(" ")}`)?.[0];
  if (head !== undefined) {
    const message = "-h prints the help and takes no number; the first lines are --head";
    throw new KeyholeError("usage", message, `keyhole daemon logs --head ${head}`);
  }
  const completion = own.find((word) => /^--(?:install|show)-completion(?:=|$)/.test(word));
  if (completion === undefined) return;
  const known = ["zsh", "fish"].find((name) => shell.endsWith(`/${name}`)) ?? "bash";
  const message = `${completion.split("=", 1)[0]} is the command completion, which prints the script`;
  throw new KeyholeError("usage", message, `keyhole completion ${known}`);
}

/**
 * @throws KeyholeError `usage` with the line that was meant, where the program to run stands without `--` before it. The
 *   first operand is a NAME where none is given otherwise and one is called that, or no program is.
 */
function requireDashes({ meta, args }: AnyCommand, words: readonly string[], { host, environment }: World): void {
  const defs: ArgsDef = { ...(args as ArgsDef), ...commonOptions };
  const first = findOperand(words, defs);
  if (first === undefined) return;
  const before = parseArguments(words.slice(0, first), defs, `keyhole ${meta.name} --help`);
  const option = Object.keys(defs).find((name) => isOperand(defs[name]!));
  const takesName = option !== undefined && before[option] === undefined && before["profile"] === undefined;
  const isName =
    takesName &&
    isNameOf(
      words[first]!,
      resolveSettings(before, environment, () => host.cwd()),
      environment,
    );
  const second = isName ? findOperand(words.slice(first + 1), defs) : undefined;
  if (isName && second === undefined) return;
  const at = second === undefined ? first : first + 1 + second;
  const missing = takesName && !isName ? [option.toUpperCase()] : [];
  const line = [...missing, ...words.slice(0, at), "--", ...words.slice(at)].map(quotePosix).join(" ");
  throw new KeyholeError("usage", "the program to run and its arguments come after --", `keyhole ${meta.name} ${line}`);
}

function isNameOf(word: string, { paths }: Settings, { PATH = "" }: Environment): boolean {
  return Bun.which(word, { PATH }) === null || isThere(`${paths.configDir}/${word}.yaml`);
}

/** Loaded after a mistake alone: node:fs costs 1.5 ms. */
function isThere(path: string): boolean {
  return (require("node:fs") as typeof import("node:fs")).existsSync(path);
}

/** @throws KeyholeError `usage` with the line that was meant, for an option as other programs call it */
function refuseSlips(name: string, words: readonly string[], defs: ArgsDef, rest: readonly string[] | undefined): void {
  const found = findSlip(words, defs);
  if (found === undefined) return;
  const line = [...name.split(" "), ...found.meant, ...(rest === undefined ? [] : ["--", ...rest])];
  const command = ["keyhole", ...line.filter(Boolean).map(quotePosix)].join(" ");
  throw new KeyholeError("usage", `unknown option ${found.slip}, did you mean ${found.option}`, command);
}

async function runCommand(
  command: AnyCommand,
  words: readonly string[],
  rest: readonly string[] | undefined,
  world: World,
): Promise<number> {
  const help = `keyhole ${command.meta.name} --help`;
  const defs = { ...command.args, ...commonOptions };
  refuseSlips(command.meta.name, words, defs, rest);
  if (rest === undefined && command.rest === true) requireDashes(command, words, world);
  const args = parseArguments(words, defs, help);
  if (args["version"] === true) return printVersion(false, world);
  if (rest !== undefined && command.rest === undefined) {
    throw new KeyholeError("usage", `keyhole ${command.meta.name} takes no arguments after --`, help);
  }
  const settings = resolveSettings(args, environmentFor(world.host, world.environment), () => world.host.cwd());
  const target = lazyTarget(settings, world.host);
  await refuseElsewhere(command, target, settings);
  return (await command.run({ ...world, args, rest: rest ?? [], settings, target })) ?? 0;
}

/** As `--help`, it is there whatever the settings are. */
async function runHelp({ args }: AnyCommand, words: readonly string[], world: World): Promise<number> {
  const { showHelp } = await import("./commands/help.ts");
  await showHelp(parseArguments(words, { ...args, ...commonOptions }, "keyhole help --help"), world);
  return 0;
}

/** A group alone does nothing: its help, as after any mistake of usage on stderr. `keyhole` alone has one for a person. */
async function runGroup(group: CommandGroup, words: readonly string[], world: World): Promise<number> {
  if (group === world.root && words.length === 0 && (await world.ui.isInteractive()))
    return runCommand((await import("./commands/welcome.ts")).default, [], undefined, world);
  const json = { type: "boolean", description: "Print the version in JSON" } as const;
  refuseSlips(group.meta.name, words, commonOptions, undefined);
  const args = parseArguments(words, { ...commonOptions, json });
  if (args.version) return printVersion(args.json, world);
  world.ui.notice(await renderHelp(group));
  return new KeyholeError("usage", "a command is missing").exitStatus;
}

async function printVersion(asJson: boolean, { output }: World): Promise<number> {
  const { version, commit, target } = await import("../version.ts");
  output.line(asJson ? JSON.stringify({ version, commit, target }) : `keyhole ${version}`);
  return 0;
}

/** Only a command line that asks for help pays for it. */
async function renderHelp(target: AnyCommand | CommandGroup): Promise<string> {
  const help = await import("./help.ts");
  return help.renderHelp(target);
}

/** Which daemon and which configs: without these a pasted `keyhole daemon start` starts another daemon. */
const places = {
  "config-dir": settingOptions["config-dir"],
  "socket-path": settingOptions["socket-path"],
  "logging-path": settingOptions["logging-path"],
};

/** A Ui whose hints repeat the paths of this command line. @param words argv up to `--` */
export function keepPaths(ui: Ui, words: readonly string[]): Ui {
  const typed = typedPaths(words);
  if (typed.length === 0) return ui;
  const adapt = (hint: string | undefined) => hint && addWords(hint, typed);
  return {
    ...ui,
    hint: (text) => ui.hint(addWords(text, typed)),
    warn: (text, hint) => ui.warn(text, adapt(hint)),
    fail: (error) => {
      const { kind, message, hint } = keyholeErrorOf(error);
      ui.fail(new KeyholeError(kind, message, adapt(hint)));
    },
  };
}

/** Help needs no path, configs no daemon, and a line that repeats what was typed has its paths. */
function addWords(hint: string, words: readonly string[]): string {
  if (!hint.startsWith("keyhole ") || hint.endsWith("--help") || typedPaths(hint.split(" ")).length > 0) return hint;
  const command = hint.slice("keyhole ".length);
  const needed = command.startsWith("config ") ? words.filter((word) => word.startsWith("--config-dir=")) : words;
  return ["keyhole", ...needed, command].join(" ");
}

function typedPaths(words: readonly string[]): string[] {
  return words.flatMap((word, at) => {
    const use = findOption(word, places);
    const value = use && (use.inline ?? words[at + 1]);
    return value ? [`--${use.name}=${quotePosix(value)}`] : [];
  });
}
