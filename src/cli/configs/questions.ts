// A config by questions, in elhaz's order. Every answer is checked when it is given; an empty one
// leaves a value out, and a No to a section or a list keeps what is there.
import { parseValue } from "../../config/change.ts";
import { checkField } from "../../config/check.ts";
import { valueAt } from "../../config/edit.ts";
import { formatPath, keysAt, kindAt, type Path } from "../../config/fields.ts";
import { isMapping } from "../../config/mapping.ts";
import { inspectConfig } from "../../config/parse.ts";
import { KeyholeError } from "../../errors.ts";
import type { Ui } from "../ui.ts";

/** What stands in a config file, valid or not. */
export type ConfigValue = Readonly<Record<string, unknown>>;

const REQUIRED: ReadonlySet<string> = new Set(["AssumeRole.RoleArn", "MFA.command"]);
/** Not shown, and not filled in: an empty answer keeps them. */
const SECRET: ReadonlySet<string> = new Set(["aws_secret_access_key", "aws_session_token"]);
/** elhaz's default for what it asks. */
const SUGGESTED: Readonly<Record<string, string>> = { "MFA.timeout": "30" };

/**
 * Asks for everything, and again if the answers do not fit together.
 *
 * @param initial what is there: shown as the answer to each question
 * @throws KeyholeError `interrupted`, or `invalid-config` if the person gives up
 */
export async function askConfig(ui: Ui, initial: ConfigValue): Promise<ConfigValue> {
  let value = initial;
  for (;;) {
    value = await askSections(ui, value);
    // JSON is YAML: the same check as for a file.
    const inspection = inspectConfig(JSON.stringify(value));
    if ("config" in inspection) return value;
    for (const problem of inspection.problems) ui.warn(problem.message);
    if (!(await ui.askYesNo("Go through the questions again?", true)))
      throw new KeyholeError("invalid-config", "the answers are not a valid config; nothing was saved");
  }
}

async function askSections(ui: Ui, initial: ConfigValue): Promise<ConfigValue> {
  const answers: Record<string, unknown> = { ...initial };
  if (await ui.askYesNo(question("a description", initial["Meta"]), initial["Meta"] !== undefined))
    answers["Meta"] = await askFields(ui, ["Meta"], ["description"], initial);
  answers["AssumeRole"] = await askFields(ui, ["AssumeRole"], ["RoleArn"], initial);
  const optional = keysAt(["AssumeRole"]).filter((key) => key !== "RoleArn");
  if (await ui.askYesNo("Configure optional AssumeRole parameters?", false))
    answers["AssumeRole"] = await askFields(ui, ["AssumeRole"], optional, answers);
  for (const section of ["STS", "MFA", "Session"])
    if (await ui.askYesNo(question(section, initial[section]), false))
      answers[section] = await askFields(ui, [section], keysAt([section]), initial);
  return withoutEmpty(answers);
}

function question(what: string, current: unknown): string {
  return current === undefined ? `Add ${what}?` : `Change ${what}? (No keeps what is there)`;
}

/** A section with new answers for some of its keys; the others stay. */
async function askFields(ui: Ui, section: Path, keys: readonly string[], initial: ConfigValue): Promise<ConfigValue> {
  const current = valueAt(initial, section);
  const answers: Record<string, unknown> = isMapping(current) ? { ...current } : {};
  for (const key of keys) {
    const path = [...section, key];
    answers[key] =
      kindAt(path) === "list" ? await askList(ui, path, answers[key]) : await askValue(ui, path, answers[key]);
  }
  return withoutEmpty(answers);
}

/** One value; empty is undefined, unless it is a secret that is there. */
async function askValue(ui: Ui, path: Path, current: unknown): Promise<unknown> {
  const name = formatPath(path);
  const secret = SECRET.has(String(path.at(-1))) && current !== undefined;
  const shown = typeof current === "string" ? current : JSON.stringify(current);
  const initial = secret ? undefined : (shown ?? SUGGESTED[name]);
  for (;;) {
    const title = `${name}${REQUIRED.has(name) ? " (required)" : secret ? " (empty keeps it)" : ""}`;
    const text = (await ui.askText(title, initial === undefined ? {} : { initial })).trim();
    if (text === "" && secret) return current;
    if (text === "" && !REQUIRED.has(name)) return undefined;
    const answer = read(path, text);
    if ("value" in answer) return answer.value;
    ui.warn(answer.problem);
  }
}

/** A list, item by item until an empty answer. */
async function askList(ui: Ui, path: Path, current: unknown): Promise<unknown> {
  const name = formatPath(path);
  if (!(await ui.askYesNo(question(name, current), false))) return current;
  const items: unknown[] = [];
  for (;;) {
    const text = (await ui.askText(`${name}, ${itemForm(path)} (empty ends the list)`)).trim();
    if (text === "") return items.length === 0 ? undefined : items;
    const answer = read(path, text);
    if ("value" in answer && Array.isArray(answer.value)) items.push(...(answer.value as unknown[]));
    else if ("problem" in answer) ui.warn(answer.problem);
  }
}

function itemForm(path: Path): string {
  if (path.at(-1) === "Tags") return "KEY=VALUE";
  return path.at(-1) === "ProvidedContexts" ? "{ProviderArn: …, ContextAssertion: …}" : "one item";
}

function read(path: Path, text: string): { readonly value: unknown } | { readonly problem: string } {
  try {
    const value = parseValue(path, text);
    const problem = checkField(path, value);
    return problem === undefined ? { value } : { problem: `${formatPath(path)} ${problem}` };
  } catch (error) {
    if (error instanceof KeyholeError) return { problem: error.message };
    throw error;
  }
}

function withoutEmpty(value: ConfigValue): ConfigValue {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => !isEmpty(item)));
}

function isEmpty(item: unknown): boolean {
  return item === undefined || (isMapping(item) && Object.keys(item).length === 0);
}
