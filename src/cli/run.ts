// One command from its words to its exit status, in a given world. main.ts gives the real one, tests their own.
import { parseArguments, splitRest } from "../arguments.ts";
import { KeyholeError } from "../errors.ts";
import { resolveSettings } from "../settings.ts";
import type { AnyCommand, CommandContext, CommandGroup } from "./command.ts";
import { keepPaths } from "./hints.ts";
import { commonOptions, lookUp } from "./lookup.ts";
import { environmentFor, refuseHostCommand } from "./reach.ts";
import { toKeyholeError } from "./ui.ts";
import { ownGrantDirectory } from "./vending/target.ts";

export type World = Pick<CommandContext, "environment" | "ui" | "output" | "host" | "root">;

/** Returns the exit status, and throws nothing. Nothing happens before all words are understood. */
export async function run(words: readonly string[], world: World): Promise<number> {
  const ui = keepPaths(world.ui, splitRest(words).own);
  try {
    return await dispatch(meantWords(words, world), { ...world, ui });
  } catch (error) {
    ui.fail(error);
    return toKeyholeError(error).exitStatus;
  }
}

/** In a grant's directory the executable alone is a `credential_process`. */
function meantWords(words: readonly string[], { host }: World): readonly string[] {
  if (words.length > 0 || ownGrantDirectory(host) === undefined) return words;
  return ["export", "--format", "credential-process"];
}

async function dispatch(words: readonly string[], world: World): Promise<number> {
  const { own: typed, rest } = splitRest(words);
  // `keyhole help config add`, as git and docker have it.
  const own = typed[0] === "help" ? [...typed.slice(1), "--help"] : typed;
  const found = lookUp(world.root, own);
  const target = typeof found.target === "function" ? (await found.target()).default : found.target;
  if (own.some((word) => word === "--help" || word === "-h")) {
    world.output.line(await renderHelp(target));
    return 0;
  }
  if ("commands" in target) return runGroup(target, found.words, world);
  return runCommand(target, found.words, rest, world);
}

async function runCommand(
  command: AnyCommand,
  words: readonly string[],
  rest: readonly string[] | undefined,
  world: World,
): Promise<number> {
  const help = `keyhole ${command.meta.name} --help`;
  const args = parseArguments(words, { ...command.args, ...commonOptions }, help);
  if (args["version"] === true) return printVersion(false, world);
  if (rest !== undefined && command.rest === undefined) {
    throw new KeyholeError("usage", `keyhole ${command.meta.name} takes nothing behind --`, help);
  }
  const settings = resolveSettings(args, environmentFor(world.host, world.environment), () => world.host.cwd());
  await refuseHostCommand(command.meta.name, settings, world.host);
  return (await command.run({ ...world, args, rest: rest ?? [], settings })) ?? 0;
}

/** A group alone does nothing: its help, as after any mistake of usage on stderr (PEERS.md E-003). */
async function runGroup(group: CommandGroup, words: readonly string[], world: World): Promise<number> {
  const json = { type: "boolean", description: "Print the version in JSON" } as const;
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

/** citty costs 2 ms, so only who asks for help pays for it (STYLE.md, E1). */
async function renderHelp(target: AnyCommand | CommandGroup): Promise<string> {
  const help = await import("./help.ts");
  return help.renderHelp(target);
}
