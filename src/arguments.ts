// argv → a command and its options. Both are defined in citty's terms; parser and help (cli/help.ts) are ours, and
// test/cli/citty.test.ts compares the two. citty 0.2.2 accepts unknown options, missing values and
// superfluous operands, knows neither aliases of two letters (`-sp`) nor repeated options, and gives words after `--` to
// operands. Its search for the command is no export, drops the options before the command, takes \`toString\` for one,
// and loads every file for an unknown word. Its code would cost each start 2 ms, so only its types are imported here.
import type { BooleanArgDef, EnumArgDef, PositionalArgDef, StringArgDef } from "citty";
import { KeyholeError } from "./errors.ts";
import { didYouMean } from "./text/suggest.ts";

/**
 * One option or operand. Names are written as they are typed (`role-arn`); every boolean can be negated (`--no-x`);
 * as in citty an operand is required unless it says `required: false`, an option only if it says `required: true`.
 */
export type ArgDef = {
  readonly description: string;
  /** What people type for it who know other programs: never understood, and named in the error. */
  readonly slips?: readonly string[];
} & (
  | (BooleanArgDef & { readonly type: "boolean" })
  | (StringArgDef & {
      readonly type: "string";
      /** May be given more than once. */ readonly multiple?: true;
      /** May stand without a value, which is "" then; one that follows has a `:`. */ readonly bare?: true;
      /** May also be given as an operand: `exec dev` for `exec -n dev`. */ readonly operand?: true;
    })
  | (EnumArgDef & { readonly type: "enum"; readonly options: string[] })
  | (PositionalArgDef & { readonly type: "positional" })
);

export type ArgsDef = Readonly<Record<string, ArgDef>>;

type Absent<Def extends ArgDef> = Def extends { default: string }
  ? never
  : Def extends { type: "positional"; required: false }
    ? undefined
    : Def extends { type: "positional" } | { required: true }
      ? never
      : undefined;

type ArgValue<Def extends ArgDef> = Def extends { type: "boolean" }
  ? boolean
  : Def extends { multiple: true }
    ? readonly string[]
    : Def extends { type: "enum"; options: readonly (infer Option)[] }
      ? Option | Absent<Def>
      : string | Absent<Def>;

/** What the parser makes of a definition. A boolean that is not given is its default, or false. */
export type ArgValues<Defs extends ArgsDef> = { readonly [Name in keyof Defs]: ArgValue<Defs[Name]> };

/** argv up to `--` and after it; `rest` is undefined without a `--`. */
export function splitRest(argv: readonly string[]): { own: readonly string[]; rest: readonly string[] | undefined } {
  const end = argv.indexOf("--");
  return end === -1 ? { own: argv, rest: undefined } : { own: argv.slice(0, end), rest: argv.slice(end + 1) };
}

/** Whether a word is an option. A lone `-` is an operand: it stands for stdin. */
export function isOption(word: string): boolean {
  return word.length > 1 && word.startsWith("-");
}

/** One word of argv as an option. */
interface OptionUse {
  readonly name: string;
  readonly def: ArgDef;
  /** As it was typed, without the value: `--format`, `-f`, `--no-verify`. */
  readonly typed: string;
  readonly negated: boolean;
  /** What comes after `=`. */
  readonly inline: string | undefined;
}

/** Which option a word means: `--name`, `--no-name`, `-alias`, each with or without `=value`, and `-nVALUE`. */
export function findOption(word: string, defs: ArgsDef): OptionUse | undefined {
  const equals = word.indexOf("=");
  const typed = equals === -1 ? word : word.slice(0, equals);
  const inline = equals === -1 ? undefined : word.slice(equals + 1);
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "positional") continue;
    const negated = def.type === "boolean" && typed === `--no-${name}`;
    if (negated || typed === `--${name}` || aliasesOf(def).includes(typed))
      return { name, def, typed, negated, inline };
  }
  return findGlued(word, defs);
}

/** An option of one letter with its value right after it. `-name` is no name "ame" but a slip for `--name`. */
function findGlued(word: string, defs: ArgsDef): OptionUse | undefined {
  if (word.startsWith("--") || Object.hasOwn(defs, word.slice(1).split("=", 1)[0]!)) return undefined;
  const typed = word.slice(0, 2);
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "boolean" || !aliasesOf(def).includes(typed)) continue;
    return { name, def, typed, negated: false, inline: word.slice(2) };
  }
  return undefined;
}

/** Whether an option takes the following word for its value. */
export function takesNextWord({ def, inline }: OptionUse, next: string | undefined): boolean {
  if (def.type === "boolean" || inline !== undefined) return false;
  return !isBare(def) || next?.includes(":") === true;
}

function isBare(def: ArgDef): boolean {
  return "bare" in def && def.bare;
}

/**
 * Parses the words of one command, options and operands in any order.
 *
 * A value that begins with a dash must be written `--option=value`: otherwise a forgotten value would swallow the
 * next option. Flags are not glued to each other, because `-cd` is one option.
 *
 * @param help the hint of an error: the command that prints the help
 * @throws KeyholeError `usage` for unknown options, missing, superfluous and bad values, extra and missing operands
 */
export function parseArguments<const Defs extends ArgsDef>(
  words: readonly string[],
  defs: Defs,
  help = "keyhole --help",
): ArgValues<Defs> {
  const fail = (message: string) => new KeyholeError("usage", message, help);
  const values = new Map<string, string | boolean | string[]>();
  const operands: string[] = [];

  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!isOption(word)) {
      operands.push(word);
      continue;
    }
    const use = findOption(word, defs);
    if (use === undefined) throw fail(unknownOption(word, defs));
    store(values, use, takesNextWord(use, words[at + 1]) ? words[++at] : use.inline, fail);
  }
  assignOperands(values, operands, defs, fail);
  for (const [name, def] of Object.entries(defs)) applyDefault(values, name, def, fail);
  return Object.fromEntries(values) as ArgValues<Defs>;
}

type Fail = (message: string) => KeyholeError;
type Values = Map<string, string | boolean | string[]>;

/** The message for a word that is no option of `defs`. Its value, if any, is not repeated. @param where ` before the command` */
function unknownOption(word: string, defs: ArgsDef, where = ""): string {
  const typed = word.split("=", 1)[0]!;
  const known = Object.entries(defs).flatMap(([name, def]) =>
    def.type === "positional" ? [] : def.type === "boolean" ? [`--${name}`, `--no-${name}`] : [`--${name}`],
  );
  const meant = typed.startsWith("--") ? typed : `-${typed}`;
  // A letter alone is no beginning of a word.
  return `unknown option ${typed}${where}${typed.length === 2 ? "" : didYouMean(meant, known)}`;
}

/** A word that people type for one of these options, that option, and the words with it; undefined if there is none. */
export function findSlip(
  words: readonly string[],
  defs: ArgsDef,
): { readonly slip: string; readonly option: string; readonly meant: readonly string[] } | undefined {
  for (const [at, word] of words.entries()) {
    const [slip = "", ...value] = word.split("=");
    const name = Object.keys(defs).find((each) => defs[each]!.slips?.includes(slip));
    if (name === undefined || findOption(word, defs) !== undefined) continue;
    if (defs[name]!.type === "positional")
      return { slip, option: name.toUpperCase(), meant: words.toSpliced(at, 1, ...value) };
    const option = `--${name}`;
    return { slip, option, meant: words.with(at, [option, ...value].join("=")) };
  }
  return undefined;
}

/** Where the first operand stands among the words; undefined if there is none, or an unknown option before it. */
export function findOperand(words: readonly string[], defs: ArgsDef): number | undefined {
  for (let at = 0; at < words.length; at++) {
    if (!isOption(words[at]!)) return at;
    const use = findOption(words[at]!, defs);
    if (use === undefined) return undefined;
    if (takesNextWord(use, words[at + 1])) at += 1;
  }
  return undefined;
}

function store(values: Values, use: OptionUse, value: string | undefined, fail: Fail): void {
  const { name, def, typed } = use;
  if (def.type === "boolean") {
    if (use.inline !== undefined) throw fail(`${typed} takes no value`);
    if (values.has(name)) throw fail(`${typed} is given twice`);
    values.set(name, !use.negated);
    return;
  }
  if (value === undefined && isBare(def)) return store(values, { ...use, inline: "" }, "", fail);
  const isMissing = value === undefined || (use.inline === undefined && isOption(value));
  if (isMissing) throw fail(`${typed} needs a value`);
  if (def.type === "enum" && !def.options.includes(value)) {
    throw fail(`${typed} must be one of ${def.options.join(", ")}${didYouMean(value, def.options)}`);
  }
  const earlier = values.get(name);
  if (def.type === "string" && def.multiple) {
    values.set(name, [...(Array.isArray(earlier) ? earlier : []), value]);
  } else if (earlier === undefined) {
    values.set(name, value);
  } else throw fail(`${typed} is given twice`);
}

function assignOperands(values: Values, operands: readonly string[], defs: ArgsDef, fail: Fail): void {
  const names = Object.keys(defs).filter((name) => isOperand(defs[name]!));
  for (const [index, operand] of operands.entries()) {
    const name = names[index];
    if (name === undefined) throw fail(`unexpected argument ${operand}`);
    if (values.has(name))
      throw fail(
        `${name.toUpperCase()} is given twice: ${operand}, and by ${aliasesOf(defs[name]!)[0] ?? `--${name}`}`,
      );
    values.set(name, operand);
  }
}

/** Whether it may be given without its name. */
export function isOperand(def: ArgDef): boolean {
  return def.type === "positional" || (def.type === "string" && def.operand === true);
}

/** What is on by default is an option where it is turned off. */
const isOn = (def: ArgDef) => def.type === "boolean" && def.default === true;

/** An option as help and completions have it: `--json`, `--no-verify`. */
export function typedOption(name: string, def: ArgDef): string {
  return isOn(def) ? `--no-${name}` : `--${name}`;
}

/** What the option does as `typedOption` has it. */
export function descriptionOf(def: ArgDef): string {
  return (isOn(def) && def.type === "boolean" && def.negativeDescription) || def.description;
}

function applyDefault(values: Values, name: string, def: ArgDef, fail: Fail): void {
  if (values.has(name)) return;
  if (def.type === "boolean") values.set(name, def.default ?? false);
  else if (def.type === "string" && def.multiple) values.set(name, []);
  else if (def.default !== undefined) values.set(name, def.default);
  else if (def.type === "positional" && def.required !== false) throw fail(`${name.toUpperCase()} is missing`);
  else if (def.type !== "positional" && def.required === true) throw fail(`--${name} is missing`);
}

function aliasesOf(def: ArgDef): string[] {
  if (!("alias" in def) || def.alias === undefined) return [];
  return [def.alias].flat().map((alias) => `-${alias}`);
}

/** Commands under a common first word, as citty has a command with sub-commands. */
export interface CommandTree<Loader extends () => unknown> {
  readonly meta: { readonly name: string; readonly description: string };
  readonly subCommands: Readonly<Record<string, Loader | CommandTree<Loader>>>;
  /** Of the root: other words for a command, and the words that are meant: `config ls`. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Finds the command words among the options. Options of all commands may stand anywhere; a command's own options only
 * after its name, because before it there is no telling whether they take a value.
 *
 * @param argv up to `--`
 * @param defs options that every command has
 * @returns the command, or the innermost group whose command was not named; its words; argv without these
 * @throws KeyholeError `usage` for a command that is not in the table
 */
export function findCommand<Loader extends () => unknown>(
  root: CommandTree<Loader>,
  argv: readonly string[],
  defs: ArgsDef,
): { readonly target: Loader | CommandTree<Loader>; readonly name: string; readonly words: readonly string[] } {
  const name: string[] = [];
  const options: string[] = [];
  let target = root;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (isOption(word)) {
      const use = findOption(word, defs);
      options.push(word);
      if (use !== undefined && takesNextWord(use, argv[at + 1]) && at + 1 < argv.length) options.push(argv[++at]!);
      continue;
    }
    const next = Object.hasOwn(target.subCommands, word) ? target.subCommands[word] : undefined;
    name.push(word);
    const meant = new Map(Object.entries(root.aliases ?? {})).get(name.join(" "));
    if (meant !== undefined) return findCommand(root, [...meant, ...options, ...argv.slice(at + 1)], defs);
    if (next === undefined) throw unknownCommand(name, root, target, options, defs);
    if (typeof next === "function") {
      return { target: next, name: name.join(" "), words: [...options, ...argv.slice(at + 1)] };
    }
    target = next;
  }
  return { target, name: name.join(" "), words: options };
}

/** What other programs call a command. */
const SYNONYMS: Readonly<Partial<Record<string, string>>> = {
  rm: "remove",
  delete: "remove",
  create: "add",
  new: "add",
  set: "update",
  mv: "rename",
  log: "logs",
};

/** An unknown option in front may be the real mistake: its value was then taken for the command. */
function unknownCommand<Loader extends () => unknown>(
  words: readonly string[],
  root: CommandTree<Loader>,
  { subCommands }: CommandTree<Loader>,
  options: readonly string[],
  defs: ArgsDef,
): KeyholeError {
  const help = ["keyhole", ...words.slice(0, -1), "--help"].join(" ");
  const stray = options.find((option) => isOption(option) && findOption(option, defs) === undefined);
  if (stray !== undefined) return new KeyholeError("usage", unknownOption(stray, defs, " before the command"), help);
  const word = words.at(-1)!;
  const group = words.slice(0, -1).join(" ");
  // `keyhole start` is `keyhole daemon start`, and `keyhole add` one of several.
  const elsewhere = Object.entries(group === "" ? root.subCommands : {}).flatMap(([other, entry]) =>
    typeof entry !== "function" && Object.hasOwn(entry.subCommands, word) ? [`${other} ${word}`] : [],
  );
  const aliases = Object.keys(root.aliases ?? {}).filter(
    (alias) => alias.startsWith(group) && alias.split(" ").length === words.length,
  );
  const known = [...Object.keys(subCommands), ...aliases.map((alias) => alias.slice(group.length).trim())];
  const synonym = SYNONYMS[word];
  if (synonym !== undefined && Object.hasOwn(subCommands, synonym))
    return new KeyholeError(
      "usage",
      `unknown command ${words.join(" ")}, did you mean ${synonym}`,
      `keyhole ${`${group} ${synonym}`.trim()} --help`,
    );
  const suggestion = elsewhere.length > 0 ? `, did you mean ${elsewhere.join(" or ")}` : didYouMean(word, known);
  const hint = elsewhere.length === 1 ? `keyhole ${elsewhere[0]}` : help;
  return new KeyholeError("usage", `unknown command ${words.join(" ")}${suggestion}`, hint);
}
