// From the text of a config file to a Config, or to every problem at once.
import type { Config } from "./config.ts";
import { KeyholeError } from "../errors.ts";
import { checkRules, findWarnings, isMapping } from "./rules.ts";
import { checkSchema, type Problem } from "./check.ts";
import { formatPath } from "./fields.ts";
import { lineOf, MalformedYaml, parseYaml, plainTextOf, type YamlDocument } from "./yaml.ts";

export interface ParsedFile {
  readonly config: Config;
  /** One line each; what works but is probably not meant. */
  readonly warnings: readonly string[];
}

const NO_MAPPING: Problem = { path: [], message: "must be a mapping with the key AssumeRole" };

/** Either the config, or what is wrong with it, one line for each problem: `line 3: AssumeRole.RoleArn must be …`. */
export type Inspection = ParsedFile | { readonly problems: readonly string[] };

/** Reads everything, so that a person can mend a file in one go. No problem holds a value out of the text. */
export function inspectConfig(source: string): Inspection {
  let document: YamlDocument;
  try {
    document = parseYaml(source);
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    return { problems: [error.line === undefined ? error.message : `line ${error.line}: ${error.message}`] };
  }
  const value = prepare(document);
  const checked = isMapping(value) ? checkSchema(value) : { problems: [NO_MAPPING] };
  const problems = [...("problems" in checked ? checked.problems : []), ...checkRules(value)].map((problem) => ({
    line: lineOf(document, problem.path),
    text: describe(problem),
  }));
  if (problems.length > 0 || "problems" in checked) {
    const sorted = problems.toSorted((left, right) => (left.line ?? 0) - (right.line ?? 0));
    return { problems: sorted.map(({ line, text }) => (line === undefined ? text : `line ${line}: ${text}`)) };
  }
  return { config: checked.config, warnings: findWarnings(value).map(describe) };
}

/**
 * @param file what to call the text in an error: its path, or `stdin`.
 * @throws KeyholeError `invalid-config` with every problem, each on a line of its own that names the file.
 */
export function parseConfig(text: string, file: string, hint?: string): ParsedFile {
  const inspection = inspectConfig(text);
  if ("config" in inspection) return inspection;
  throw new KeyholeError("invalid-config", inspection.problems.map((line) => `${file}: ${line}`).join("\n"), hint);
}

function describe({ path, message }: Problem): string {
  return `${path.length === 0 ? "the file" : formatPath(path)} ${message}`;
}

/** Null means absent, as in elhaz; a token code is text however it is written, since its zeros count. */
function prepare(document: YamlDocument): unknown {
  const value = withoutNulls(document.value);
  const role = isMapping(value) ? value["AssumeRole"] : undefined;
  if (!isMapping(value) || !isMapping(role) || typeof role["TokenCode"] !== "number") return value;
  const written = plainTextOf(document, ["AssumeRole", "TokenCode"]);
  return { ...value, AssumeRole: { ...role, TokenCode: written } };
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isMapping(value)) return value;
  // Null prototype: a key may be `__proto__`, and must stay a key to be refused.
  const kept: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) if (item !== null) kept[key] = withoutNulls(item);
  return kept;
}
