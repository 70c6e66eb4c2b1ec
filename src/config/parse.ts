// From the text of a config file to a Config, or to every problem at once.
import { KeyholeError } from "../errors.ts";
import { checkRules, checkSchema, findWarnings, type Problem } from "./check.ts";
import type { Config } from "./config.ts";
import { formatPath, kindAt, type Path } from "./fields.ts";
import { isMapping } from "./mapping.ts";
import { lineOf, MalformedYaml, parseYaml, plainTextOf, type YamlDocument } from "./yaml.ts";

/** A text that is a config. */
export interface ParsedFile {
  readonly config: Config;
  /** One line each; what works but is probably not meant. */
  readonly warnings: readonly string[];
}

/** More than a person reads, and less than a message on the wire may hold. */
const PROBLEM_LIMIT = 50;

const NO_MAPPING: Problem = { path: [], message: "must be a mapping with the key AssumeRole" };

/** One thing that is wrong with a text, without any value of it. */
export interface TextProblem {
  /** From 1; undefined where nothing in the text is at fault. */
  readonly line: number | undefined;
  /** `AssumeRole.RoleArn must be …` */
  readonly message: string;
}

/** Either the config, or everything that is wrong with it, in the order of the lines. */
type Inspection = ParsedFile | { readonly problems: readonly TextProblem[] };

/** Reads everything, so that a person can mend a file in one go. No problem holds a value out of the text. */
export function inspectConfig(source: string): Inspection {
  let document: YamlDocument;
  try {
    document = parseYaml(source);
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    return { problems: [{ line: error.line, message: error.message }] };
  }
  const value = meaningOf(document);
  const checked = isMapping(value) ? checkSchema(value) : { problems: [NO_MAPPING] };
  const problems = [...("problems" in checked ? checked.problems : []), ...checkRules(value)]
    .slice(0, PROBLEM_LIMIT)
    .map((problem) => ({ line: lineOf(document, problem.path), message: describe(problem) }));
  if (problems.length > 0 || "problems" in checked)
    return { problems: problems.toSorted((left, right) => (left.line ?? 0) - (right.line ?? 0)) };
  return { config: checked.config, warnings: findWarnings(value).map(describe) };
}

/** `line 3: AssumeRole.RoleArn must be …` */
export function formatProblem({ line, message }: TextProblem): string {
  return line === undefined ? message : `line ${line}: ${message}`;
}

/**
 * @param file what to call the text in an error: its path, or `stdin`; undefined for a text that no person wrote, whose
 *   lines say nothing to a person.
 * @throws KeyholeError `invalid-config` with every problem, each on a line of its own that names the file.
 */
export function parseConfig(text: string, file: string | undefined, hint?: string): ParsedFile {
  const inspection = inspectConfig(text);
  if ("config" in inspection) return inspection;
  const lines = inspection.problems.map((problem) =>
    file === undefined ? problem.message : `${file}: ${formatProblem(problem)}`,
  );
  throw new KeyholeError("invalid-config", lines.join("\n"), hint);
}

function describe({ path, message }: Problem): string {
  return `${path.length === 0 ? "the file" : formatPath(path)} ${message}`;
}

const WHOLE = /^\s*[-+]?[0-9]+(?:_[0-9]+)*\s*$/;
/** In YAML 1.1 alone. */
const OCTAL = /^[-+]?0[0-7_]+$/;
const TRUE = /^(?:true|yes|on|y|t|1)$/i;
const FALSE = /^(?:false|no|off|n|f|0)$/i;

/**
 * The value of a document, with what its scalars mean where the schema wants a number, a truth value or digits: as elhaz
 * takes them, whose files hold `'3600'`, `3_600` and `yes`. Null means absent.
 */
function meaningOf(document: YamlDocument): unknown {
  return readAt(document, document.value, []);
}

function readAt(document: YamlDocument, value: unknown, path: Path): unknown {
  if (Array.isArray(value)) return value.map((item, index) => readAt(document, item, [...path, index]));
  if (!isMapping(value)) return readScalar(document, value, path);
  // Null prototype: a key may be `__proto__`, and must stay a key to be refused.
  const kept: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    if (item !== null) kept[key] = readAt(document, item, [...path, key]);
  }
  return kept;
}

function readScalar(document: YamlDocument, value: unknown, path: Path): unknown {
  const key = path.at(-1);
  if (key === "TokenCode" || key === "aws_account_id") {
    // Text however it is written, since its zeros count.
    return typeof value === "number" ? (plainTextOf(document, path) ?? value) : value;
  }
  const kind = kindAt(path);
  if (kind === "number") return readNumber(document, value, path);
  // A CA bundle named `no` would name nothing.
  return kind === "flag" || key === "verify" ? readFlag(value) : value;
}

function readNumber(document: YamlDocument, value: unknown, path: Path): unknown {
  const plain = document.version === "1.1" ? plainTextOf(document, path) : undefined;
  if (plain !== undefined && OCTAL.test(plain)) return Number.parseInt(plain.replaceAll("_", ""), 8);
  return typeof value === "string" && WHOLE.test(value) ? Number(value.replaceAll("_", "")) : value;
}

function readFlag(value: unknown): unknown {
  if (typeof value !== "string" && value !== 0 && value !== 1) return value;
  if (TRUE.test(String(value))) return true;
  return FALSE.test(String(value)) ? false : value;
}
