// Our parser against citty's, over all definitions, as far as citty understands command lines.
import { describe, expect, test } from "bun:test";
import { type CommandDef, parseArgs, runCommand } from "citty";
import * as fc from "fast-check";
import { type ArgDef, type ArgsDef, findCommand, parseArguments } from "../../src/arguments.ts";
import { type AnyCommand, type CommandGroup, commonOptions } from "../../src/cli/command.ts";
import { root } from "../../src/cli/table.ts";
import { thrownBy } from "../thrown.ts";
import { commandsOf } from "./fakes/commands.ts";

const commands = (await commandsOf(root)).map((command) => [command.meta.name, command] as const);
const value = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => /^[^-]/.test(text));

/** Of what may stand without a value, one that is taken for a value. */
const valueOf = (def: ArgDef) => ("bare" in def ? value.map((text) => `${text}:`) : value);

/** One option or operand in a form that both know; undefined for one that is left out. */
function wordsFor(name: string, def: ArgDef): fc.Arbitrary<readonly string[] | undefined> {
  if (def.type === "positional") return value.map((text) => [text]);
  const letter = [def.alias ?? []].flat().find((alias) => alias.length === 1);
  const forms = (text: string) => [
    [`--${name}=${text}`],
    [`--${name}`, text],
    ...(letter ? [[`-${letter}`, text]] : []),
  ];
  const given =
    def.type === "boolean"
      ? fc.constantFrom([`--${name}`], [`--no-${name}`], ...(letter ? [[`-${letter}`]] : []))
      : (def.type === "enum" ? fc.constantFrom(...def.options) : valueOf(def)).chain((text) =>
          fc.constantFrom(...forms(text)),
        );
  return isNeeded(def) ? given : fc.option(given, { nil: undefined });
}

const isNeeded = ({ type, required }: ArgDef) => (type === "positional" ? required !== false : required === true);

describe("a command line that citty understands", () => {
  test.each(commands)("means the same to both: %s", (_, { args }) => {
    const defs: ArgsDef = { ...args, ...commonOptions };
    // Of an option that begins so, as --no-executable does, citty makes the opposite of another one.
    const known = Object.entries(defs).filter(([name]) => !name.startsWith("no-"));
    const uses = known.map(([name, def]) => wordsFor(name, def));
    fc.assert(
      fc.property(fc.tuple(...uses), (words) => {
        const line = words.flatMap((each) => each ?? []);
        const theirs = parseArgs(line, defs as Parameters<typeof parseArgs>[1]);
        for (const [name, ours] of Object.entries(parseArguments(line, defs))) {
          const empty = defs[name]!.type === "boolean" ? false : undefined;
          expect([name, Array.isArray(ours) ? ours[0] : ours]).toEqual([name, theirs[name] ?? empty]);
        }
      }),
      { numRuns: 50 },
    );
  });

  test.each(commands.filter(([, { args }]) => Object.values(args as ArgsDef).some(isNeeded)))(
    "is refused by both where something is missing: %s",
    (_, { args }) => {
      expect(() => parseArgs([], args)).toThrow(/[Mm]issing/);
      expect(thrownBy(() => parseArguments([], args as ArgsDef)).message).toEndWith("is missing");
    },
  );
});

/** The innermost definition that citty sets up for a command line. */
async function resolvedByCitty(line: readonly string[]): Promise<unknown> {
  let found: unknown;
  const watched = (def: AnyCommand | CommandGroup): CommandDef => ({
    args: commonOptions,
    setup: () => void (found = def),
    run: () => {},
    ...("subCommands" in def && {
      subCommands: Object.fromEntries(
        Object.entries(def.subCommands).map(([name, entry]) => [
          name,
          async () => watched(typeof entry === "function" ? await entry() : entry),
        ]),
      ),
    }),
  });
  await runCommand(watched(root), { rawArgs: [...line] });
  return found;
}

test.each([
  "",
  "--once",
  "daemon",
  ...commands.map(([name]) => name),
  "--socket-path /s daemon -ct 5 start --json",
  "-sp daemon config list",
  "grant --config-dir=add remove x",
])("'%s' leads to the same command with both", async (line) => {
  const words = line.split(" ").filter(Boolean);
  const { target } = findCommand(root, words, commonOptions);
  expect(typeof target === "function" ? await target() : target).toBe((await resolvedByCitty(words)) as never);
});
