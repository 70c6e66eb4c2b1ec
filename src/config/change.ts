// What a person says on the command line or at a prompt, typed by the schema: `AssumeRole.DurationSeconds=3600`.
import { KeyholeError } from "../errors.ts";
import { checkPath } from "./check.ts";
import { formatPath, kindAt, type Path } from "./fields.ts";
import { isMapping } from "./mapping.ts";
import { MalformedYaml, parseYaml } from "./yaml.ts";

/** A value to set at a path; undefined to remove what is there. */
export interface Change {
  readonly path: Path;
  readonly value: unknown;
}

/**
 * The changes of `--set Path=value`, in the order given, and then of `--unset Path`. A list takes a YAML list (`[a, b]`), or one
 * item for each time its path is repeated.
 *
 * @throws KeyholeError `usage` that names the path, and never the value.
 */
export function parseChanges(settings: readonly string[], removals: readonly string[]): Change[] {
  const changes: Change[] = [];
  for (const setting of settings) {
    const equals = setting.indexOf("=");
    if (equals <= 0)
      throw new KeyholeError("usage", "--set needs PATH=VALUE", example(["AssumeRole", "DurationSeconds"], "3600"));
    const path = parsePath(setting.slice(0, equals), "--set");
    const value = parseValue(path, setting.slice(equals + 1));
    const earlier = changes.findIndex((change) => Array.isArray(change.value) && samePath(change.path, path));
    if (earlier === -1 || !Array.isArray(value)) changes.push({ path, value });
    else changes[earlier] = { path, value: [...(changes[earlier]!.value as unknown[]), ...(value as unknown[])] };
  }
  // Removals last: a section that loses one key and gains another stays where it is.
  return [...changes, ...removals.map((text) => ({ path: parsePath(text, "--unset"), value: undefined }))];
}

/** The line that may be meant. */
function example(path: Path, value = "VALUE"): string {
  return `keyhole config update -n NAME --set ${formatPath(path)}=${value}`;
}

/** With what `problem` says instead of the path that was typed. */
function exampleFor(path: Path, problem: string): string {
  const [, section, key] = /belongs under (\w+)|did you mean (\w+)/.exec(problem) ?? [];
  if (section !== undefined) return example([section, ...path]);
  return key === undefined ? "keyhole help configs" : example([...path.slice(0, -1), key]);
}

/** `AssumeRole.Tags[0].Key`. @throws KeyholeError `usage` for a path that the schema does not have. */
function parsePath(text: string, option: string): Path {
  const path = text.split(/\.|(?=\[)/).map((step) => {
    const index = /^\[(\d{1,3})\]$/.exec(step);
    return index === null ? step : Number(index[1]);
  });
  const problem = checkPath(path);
  if (problem !== undefined)
    throw new KeyholeError("usage", `${option} ${formatPath(path)} ${problem}`, exampleFor(path, problem));
  return path;
}

const EXAMPLES: Readonly<Record<string, string>> = { number: "3600", flag: "true" };

/**
 * The value that a text means at a path of the schema. Whether it is a good one is the schema's business.
 *
 * @throws KeyholeError `usage` if it cannot be a value of the wanted kind.
 */
export function parseValue(path: Path, text: string): unknown {
  const fail = (expected: string) =>
    new KeyholeError("usage", `${formatPath(path)} must be ${expected}`, example(path, EXAMPLES[kindAt(path) ?? ""]));
  const kind = kindAt(path);
  if (kind === "list") return parseList(path, text);
  if (kind === "number") {
    if (!/^\d{1,15}$/.test(text)) throw fail("a whole number");
    return Number(text);
  }
  if (kind === "flag") {
    if (text !== "true" && text !== "false") throw fail("true or false");
    return text === "true";
  }
  if (kind === "mapping") {
    const value = parseCollection(path, text);
    if (!isMapping(value)) throw fail("a mapping, like {Key: team, Value: web}");
    return value;
  }
  if (kind === "union" && (text === "true" || text === "false")) return text === "true";
  if (kind === "union" && text.startsWith("[")) return parseCollection(path, text);
  return text;
}

/** A whole list, or one item of it; for tags also `KEY=VALUE`. */
function parseList(path: Path, text: string): unknown {
  if (text.startsWith("[")) return parseCollection(path, text);
  if (text.startsWith("{")) return [parseCollection(path, text)];
  const pair = /^([^=]+)=(.*)$/.exec(text);
  if (path.at(-1) === "Tags" && pair !== null) return [{ Key: pair[1], Value: pair[2] }];
  return [text];
}

function parseCollection(path: Path, text: string): unknown {
  try {
    return parseYaml(text).value;
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    throw new KeyholeError("usage", `${formatPath(path)}: ${error.message}`, example(path));
  }
}

function samePath(left: Path, right: Path): boolean {
  return formatPath(left) === formatPath(right);
}
