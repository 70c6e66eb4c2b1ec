// What is wrong with a value, in our own words: valibot's repeat the value, which may be a secret.
import * as v from "valibot";
import { suggest } from "../text/suggest.ts";
import { keysAt, kindAt, type Path, schemaAt, topLevelHome } from "./fields.ts";
import { isMapping } from "./mapping.ts";
import { configSchema, type ParsedConfig } from "./schema.ts";

/** One thing that is wrong with a config; no message holds a value of it. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
}

/** Unknown keys of one mapping that are named; for each the nearest known one is looked for. */
const STRANGER_LIMIT = 50;

/** Every problem of a value, or the config that it is. */
export function checkSchema(value: unknown): { readonly config: ParsedConfig } | { readonly problems: Problem[] } {
  const unknown = findUnknownKeys(value, []);
  const result = v.safeParse(configSchema, value, {
    abortPipeEarly: true,
    message: ({ type }) => (type === "strict_object" ? "must be a mapping" : "is not what belongs here"),
  });
  if (result.success && unknown.length === 0) return { config: result.output };
  const issues = (result.issues ?? []).filter((issue) => !isUnknownKey(issue));
  return { problems: [...issues.map(describeIssue), ...unknown] };
}

type Issue = v.InferIssue<typeof configSchema>;

/** valibot reports unknown keys and missing ones as strict_object. */
function isUnknownKey(issue: Issue): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

function describeIssue(issue: Issue): Problem {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  if (issue.type === "strict_object" && issue.received === "undefined") return { path, message: "is required" };
  if (typeof issue.input === "number" && issue.expected === "string")
    return { path, message: `${issue.message}: a number must be put in quotes` };
  return { path, message: issue.message };
}

/** valibot stops at the first unknown key of a mapping; a person wants to see them all. */
function findUnknownKeys(value: unknown, path: Path): Problem[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => findUnknownKeys(item, [...path, index]));
  if (!isMapping(value) || kindAt(path) !== "mapping") return [];
  const known = keysAt(path);
  const strangers = Object.keys(value).filter((key) => !known.includes(key));
  return [
    ...strangers.slice(0, STRANGER_LIMIT).map((key) => ({ path: [...path, key], message: unknownKey([...path, key]) })),
    ...known.flatMap((key) => findUnknownKeys(value[key], [...path, key])),
  ];
}

/** What is wrong with a path that a person wrote; undefined if the schema has it. */
export function checkPath(path: Path): string | undefined {
  for (let length = 1; length <= path.length; length += 1) {
    const here = path.slice(0, length);
    const step = here.at(-1)!;
    if (schemaAt(here) === undefined) return typeof step === "number" ? "is no list" : unknownKey(here);
  }
  return undefined;
}

/** What is wrong with the value of one field, in words without the value; undefined if nothing is. */
export function checkField(path: Path, value: unknown): string | undefined {
  const schema = schemaAt(path);
  if (schema === undefined) return undefined;
  const issue = v.safeParse(schema, value, { abortPipeEarly: true }).issues?.[0];
  return issue?.message;
}

function unknownKey(path: Path): string {
  const key = String(path.at(-1));
  const siblings = keysAt(path.slice(0, -1));
  const begun = siblings.filter((sibling) => key.length > 2 && plain(sibling).startsWith(plain(key)));
  const near =
    siblings.find((sibling) => plain(sibling) === plain(key)) ??
    (begun.length === 1 ? begun[0] : undefined) ??
    suggest(key, siblings);
  if (near !== undefined) return `is no key of the schema; did you mean ${near}`;
  const home = topLevelHome(key);
  if (home !== undefined) return `is no key here; it belongs under ${home}`;
  if (siblings.length === 0) return "is no key of the schema";
  return `is no key of the schema; known here: ${siblings.join(", ")}`;
}

/** `role_arn` and `RoleArn` are one word to a person. */
function plain(key: string): string {
  return key.replaceAll(/[_-]/g, "").toLowerCase();
}
