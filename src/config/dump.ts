// A value as YAML that reads the same in YAML 1.1 (elhaz's PyYAML) and 1.2 (Bun's): whatever one of them could take
// for something else than text is put in quotes.
import { unicodeEscape } from "../text/controls.ts";
import { keysAt, type Path } from "./fields.ts";
import { isMapping } from "./mapping.ts";

/** Words of letters, digits and a few signs; no colon before a space, nothing that begins like a number. */
const PLAIN = /^[A-Za-z/](?:[\w/.:@+=-]*[\w/])?(?: [\w/.@+=-]*[\w/])*$/;
/** What single quotes can hold without any escape. */
const PRINTABLE = /^[\x20-\x26\x28-\x7E]*$/;
const RESERVED = /^(?:y|yes|n|no|on|off|true|false|null)$/i;

/** A mapping in block style, keys in the order of the schema, two spaces for each level. */
export function dumpYaml(value: Readonly<Record<string, unknown>>): string {
  return `${dumpEntries(value, [], 0)}\n`;
}

/** One key of a mapping that stands at `indentation`, as it follows that indentation; without a line end. */
export function dumpEntry(path: Path, value: unknown, indentation: number): string {
  const key = dumpInline(String(path.at(-1)));
  if (isMapping(value) && Object.keys(value).length > 0) {
    return `${key}:\n${pad(indentation + 2)}${dumpEntries(value, path, indentation + 2)}`;
  }
  if (Array.isArray(value) && value.length > 0) {
    const item = pad(indentation + 2);
    return `${key}:${value.map((each, index) => `\n${item}- ${dumpItem([...path, index], each, indentation + 4)}`).join("")}`;
  }
  return `${key}: ${dumpInline(value)}`;
}

/** In one line: a scalar, or an empty collection. */
function dumpInline(value: unknown): string {
  if (typeof value === "string") {
    if (PLAIN.test(value) && !RESERVED.test(value)) return value;
    if (PRINTABLE.test(value)) return `'${value}'`;
  }
  // What JSON leaves as it is and YAML takes for a line end or a byte order mark.
  return JSON.stringify(value).replace(/[\u007F-\u00A0\u2028\u2029\uFEFF]/g, unicodeEscape);
}

function dumpItem(path: Path, value: unknown, indentation: number): string {
  return isMapping(value) && Object.keys(value).length > 0 ? dumpEntries(value, path, indentation) : dumpInline(value);
}

function dumpEntries(value: Readonly<Record<string, unknown>>, path: Path, indentation: number): string {
  const order = keysAt(path);
  const rank = (key: string) => (order.includes(key) ? order.indexOf(key) : order.length);
  return Object.keys(value)
    .toSorted((left, right) => rank(left) - rank(right))
    .map((key) => dumpEntry([...path, key], value[key], indentation))
    .join(`\n${pad(indentation)}`);
}

function pad(width: number): string {
  return " ".repeat(width);
}
