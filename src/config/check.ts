// What is wrong with a value, in our own words: valibot's repeat the value (STYLE.md, E4).
import * as v from "valibot";
import { suggest } from "../suggest.ts";
import { keysAt, type Path, topLevelHome } from "./fields.ts";
import { configSchema, type ParsedConfig } from "./schema.ts";

/** One thing that is wrong with a config; no message holds a value of it. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
}

/** Every problem of a value, or the config that it is. */
export function checkSchema(value: unknown): { readonly config: ParsedConfig } | { readonly problems: Problem[] } {
  const result = v.safeParse(configSchema, value, {
    message: ({ type }) => (type === "strict_object" ? "must be a mapping" : "is not what belongs here"),
  });
  if (result.success) return { config: result.output };
  return { problems: result.issues.map(describeIssue) };
}

type Issue = v.InferIssue<typeof configSchema>;

function describeIssue(issue: Issue): Problem {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  // valibot reports both as strict_object: an unknown key as one where `never` is expected, a missing one by name.
  if (issue.type === "strict_object" && issue.expected === "never") return { path, message: unknownKey(path) };
  if (issue.type === "strict_object" && issue.received === "undefined") return { path, message: "is required" };
  if (typeof issue.input === "number" && issue.expected === "string")
    return { path, message: `${issue.message}: a number must be put in quotes` };
  return { path, message: issue.message };
}

function unknownKey(path: Path): string {
  const key = String(path.at(-1));
  const siblings = keysAt(path.slice(0, -1));
  const near = siblings.find((sibling) => plain(sibling) === plain(key)) ?? suggest(key, siblings);
  if (near !== undefined) return `is no key of the schema; did you mean ${near}`;
  const home = topLevelHome(key);
  if (home !== undefined) return `is no key here; it belongs under ${home}`;
  return `is no key of the schema; known here: ${siblings.join(", ")}`;
}

/** `role_arn` and `RoleArn` are one word to a person. */
function plain(key: string): string {
  return key.replaceAll(/[_-]/g, "").toLowerCase();
}

/** `constructor`, `__proto__`: keys that valibot takes for known because every object inherits them. */
export function checkInheritedKeys(value: unknown, path: Path = []): Problem[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => checkInheritedKeys(item, [...path, index]));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const here = [...path, key];
    return key in Object.prototype ? [{ path: here, message: unknownKey(here) }] : checkInheritedKeys(item, here);
  });
}
