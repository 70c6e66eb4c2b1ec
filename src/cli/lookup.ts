// argv → which command: finds the command words among the options.
import { type ArgsDef, findOption, isOption, takesNextWord, unknownOption } from "../arguments.ts";
import { KeyholeError } from "../errors.ts";
import { settingOptions } from "../settings.ts";
import { didYouMean } from "../text/suggest.ts";
import type { CommandGroup, CommandLoader } from "./command.ts";

/** Options that every command has. */
export const commonOptions = {
  ...settingOptions,
  help: { type: "boolean", alias: "h", description: "Print this help" },
  version: { type: "boolean", description: "Print the version" },
} as const satisfies ArgsDef;

export interface Found {
  /** A command, or the innermost group whose command was not named. */
  readonly target: CommandLoader | CommandGroup;
  /** The command words as typed: `daemon start`; empty for the root. */
  readonly name: string;
  /** argv without the command words. */
  readonly words: readonly string[];
}

/**
 * Options of all commands may stand anywhere; a command's own options behind its name, because before it nobody knows
 * whether they take a value.
 *
 * @param argv without what stands behind `--`
 * @throws KeyholeError `usage` for a command that is not in the table
 */
export function lookUp(root: CommandGroup, argv: readonly string[]): Found {
  const name: string[] = [];
  const options: string[] = [];
  let target: CommandGroup = root;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (isOption(word)) {
      const use = findOption(word, commonOptions);
      options.push(word);
      if (use !== undefined && takesNextWord(use) && at + 1 < argv.length) options.push(argv[++at]!);
      continue;
    }
    const next: CommandLoader | CommandGroup | undefined = Object.hasOwn(target.commands, word)
      ? target.commands[word]
      : undefined;
    if (next === undefined) throw unknownCommand(target, name, word, options);
    name.push(word);
    if (typeof next === "function") {
      return { target: next, name: name.join(" "), words: [...options, ...argv.slice(at + 1)] };
    }
    target = next;
  }
  return { target, name: name.join(" "), words: options };
}

/** An unknown option in front may be the real mistake: its value was then taken for the command. */
function unknownCommand(group: CommandGroup, name: string[], word: string, options: readonly string[]): KeyholeError {
  const help = ["keyhole", ...name, "--help"].join(" ");
  const stray = options.find((option) => isOption(option) && findOption(option, commonOptions) === undefined);
  if (stray !== undefined) {
    return new KeyholeError("usage", unknownOption(stray, commonOptions, " before the command"), help);
  }
  const message = `unknown command ${[...name, word].join(" ")}`;
  return new KeyholeError("usage", message + didYouMean(word, Object.keys(group.commands)), help);
}
