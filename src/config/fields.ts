// Questions about the schema itself: which keys are there, and what kind of value each wants.
import type * as v from "valibot";
import { showKey } from "./cursor.ts";
import { configSchema } from "./config.ts";

/** Where something stands in a config: keys, and indices of lists. */
export type Path = readonly (string | number)[];

/** The keys that the schema has at a path. */
export function keysAt(path: Path): readonly string[] {
  const schema = schemaAt(path);
  return schema === undefined ? [] : keysOf(schema);
}

/** What a value of the schema is to a person; `union` takes more than one kind. */
export type Kind = "text" | "number" | "flag" | "list" | "mapping" | "union";

/** valibot's names for them, as far as the schema uses them. */
const KINDS: Readonly<Record<string, Kind>> = {
  string: "text",
  number: "number",
  boolean: "flag",
  array: "list",
  strict_object: "mapping",
  union: "union",
};

/** What kind of value the schema wants at a path; undefined where it has none. */
export function kindAt(path: Path): Kind | undefined {
  return KINDS[schemaAt(path)?.type ?? ""];
}

/** The parts of valibot's schemas that are looked into. A pipe is its first schema with more properties. */
interface AnySchema extends v.GenericSchema {
  readonly wrapped?: AnySchema;
  readonly entries?: Readonly<Record<string, AnySchema>>;
  readonly item?: AnySchema;
}

function unwrap(schema: AnySchema | undefined): AnySchema | undefined {
  return schema?.wrapped ?? schema;
}

/** The schema of a field by itself, whether it is optional or not. */
export function schemaAt(path: Path): AnySchema | undefined {
  let schema: AnySchema | undefined = configSchema;
  for (const step of path) {
    const entries: AnySchema["entries"] = schema?.entries;
    if (typeof step === "number") schema = unwrap(schema?.item);
    else schema = entries !== undefined && Object.hasOwn(entries, step) ? unwrap(entries[step]) : undefined;
  }
  return schema;
}

function keysOf(schema: AnySchema): readonly string[] {
  return Object.keys(unwrap(schema)?.entries ?? {});
}

/** The section that has this key. */
export function topLevelHome(key: string): string | undefined {
  return Object.keys(configSchema.entries).find((section) => keysAt([section]).includes(key));
}

/** `AssumeRole.Tags[0].Key`. A key that looks like no key is not shown, for it may be a value out of place. */
export function formatPath(path: Path): string {
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${showKey(step)}`))
    .join("")
    .replace(/^\./, "");
}
