// Changes to the text of a config file that leave the rest of it, comments above all, as a person wrote it;
// and values as YAML that reads the same in YAML 1.1 (elhaz's PyYAML) and 1.2 (Bun's): whatever one of them could take
// for something else than text is put in quotes.
import { KeyholeError } from "../errors.ts";
import { unicodeEscape } from "../text/controls.ts";
import type { Change } from "./change.ts";
import { keysAt, type Path } from "./fields.ts";
import { isMapping } from "./mapping.ts";
import { findOutline, type MappingOutline } from "./outline.ts";
import { MalformedYaml, parseYaml, type YamlDocument } from "./yaml.ts";

/** A text with its changes. */
export interface Edited {
  readonly text: string;
  /** The text had to be written anew, and there were comments in it. */
  readonly lostComments: boolean;
}

/**
 * Applies changes one after the other, each in place where that provably changes nothing else; where it does not, the
 * whole file is written anew. Whether the result is a valid config is for the caller to check.
 *
 * @param text of a mapping, or empty
 * @throws KeyholeError `invalid-config` if the text is no YAML.
 */
export function applyChanges(text: string, changes: readonly Change[], file: string): Edited {
  const [mark] = /^\uFEFF?/.exec(text)!;
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  // What reads a text takes both off.
  let edited: Edited = { text, lostComments: false };
  for (const change of changes) {
    const next = applyChange(readDocument(edited.text, file), change);
    edited = { text: next.text, lostComments: edited.lostComments || next.lostComments };
  }
  return changes.length === 0 ? edited : { ...edited, text: mark + edited.text.replaceAll("\n", newline) };
}

/** The changes that make one value of another: whole keys of sections, so that the others are not touched. */
export function diffValues(before: unknown, after: unknown, path: Path = []): Change[] {
  if (Bun.deepEquals(before, after, true)) return [];
  if (!isMapping(before) || !isMapping(after) || path.length > 1) return [{ path, value: after }];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => diffValues(before[key], after[key], [...path, key]));
}

function readDocument(text: string, file: string): YamlDocument {
  try {
    return parseYaml(text);
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    const line = error.line === undefined ? "" : `line ${error.line}: `;
    throw new KeyholeError("invalid-config", `${file}: ${line}${error.message}`);
  }
}

function applyChange(document: YamlDocument, { path, value }: Change): Edited {
  const before = isMapping(document.value) ? document.value : {};
  const wanted = (setAt(before, path, value) ?? {}) as Readonly<Record<string, unknown>>;
  for (let length = path.length; length > 0; length -= 1) {
    const above = path.slice(0, length);
    const inPlace = editEntry(document, above, valueAt(wanted, above));
    if (inPlace === undefined || !readsAs(inPlace, wanted)) continue;
    return { text: inPlace, lostComments: value !== undefined && holdsComment(document, above) };
  }
  return { text: dumpYaml(wanted), lostComments: /(?:^|\s)#/.test(document.text) };
}

/** Whether a collection that was replaced as a whole had comments in it. */
function holdsComment({ text, outline }: YamlDocument, path: Path): boolean {
  const node = findOutline(outline, path);
  if (node === undefined || node.kind === "scalar") return false;
  const key = text.lastIndexOf(":", node.start);
  return /\s#/.test(text.slice(key, node.end));
}

/** Undefined where the entry's mapping is not there or not in block style. */
function editEntry(document: YamlDocument, path: Path, value: unknown): string | undefined {
  const parent = findOutline(document.outline, path.slice(0, -1));
  if (parent?.kind !== "mapping" || parent.flow) return undefined;
  const entry = parent.entries.find(({ key }) => key === path.at(-1));
  const { text } = document;
  const column = parent.start - lineStart(text, parent.start);
  if (entry === undefined) return value === undefined ? text : appendEntry(text, parent, column, path, value);
  if (value === undefined) {
    return splice(text, lineStart(text, entry.start), Math.min(lineEnd(text, entry.value.end) + 1, text.length), "");
  }
  return splice(text, entry.start, entry.value.end, dumpEntry(path, value, column));
}

function appendEntry(text: string, parent: MappingOutline, column: number, path: Path, value: unknown): string {
  const at = lineEnd(text, parent.end);
  return splice(text, at, at, `\n${" ".repeat(column)}${dumpEntry(path, value, column)}`);
}

function readsAs(text: string, wanted: unknown): boolean {
  try {
    return Bun.deepEquals(parseYaml(text).value, wanted, true);
  } catch {
    return false;
  }
}

/** A copy with a value at a path, or without it; a mapping that lost its last key goes with it. */
function setAt(container: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof step === "number") {
    const items: unknown[] = Array.isArray(container) ? [...(container as unknown[])] : [];
    const item = setAt(items[step], rest, value);
    if (item === undefined) items.splice(step, 1);
    else items[Math.min(step, items.length)] = item;
    return items.length === 0 ? undefined : items;
  }
  const copy: Record<string, unknown> = isMapping(container) ? { ...container } : {};
  const item = setAt(copy[step], rest, value);
  if (item === undefined) delete copy[step];
  else copy[step] = item;
  return Object.keys(copy).length === 0 && value === undefined ? undefined : copy;
}

/** What stands at a path of a parsed file, valid or not; undefined where nothing does. */
export function valueAt(container: unknown, path: Path): unknown {
  let value = container;
  for (const step of path) {
    if (typeof step === "number") value = Array.isArray(value) ? (value as unknown[])[step] : undefined;
    else value = isMapping(value) ? value[step] : undefined;
  }
  return value;
}

function splice(text: string, start: number, end: number, replacement: string): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf("\n", offset - 1) + 1;
}

function lineEnd(text: string, offset: number): number {
  const end = text.indexOf("\n", offset);
  return end === -1 ? text.length : end;
}

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
function dumpEntry(path: Path, value: unknown, indentation: number): string {
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
