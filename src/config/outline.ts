// The shape of a YAML text: which keys stand where, and how each scalar is written. Values are Bun.YAML's business
// (yaml.ts); this says what it does not: duplicate keys, line numbers, the digits of an unquoted number.
// Reads block and flow collections, plain, quoted and block scalars, comments. Everything else is refused by name.
import { Cursor } from "./cursor.ts";
import { scanBlockScalar, scanFlow, scanPlain, scanQuoted } from "./scalars.ts";

export { lineAt, MalformedYaml } from "./cursor.ts";

export type Outline = MappingOutline | SequenceOutline | ScalarOutline;

/** Offsets into the text; `end` is after the last character. */
interface Span {
  readonly start: number;
  readonly end: number;
}

export interface MappingOutline extends Span {
  readonly kind: "mapping";
  readonly flow: boolean;
  readonly entries: readonly EntryOutline[];
}

export interface EntryOutline {
  readonly key: string;
  /** Offset of the key. */
  readonly start: number;
  readonly value: Outline;
}

export interface SequenceOutline extends Span {
  readonly kind: "sequence";
  readonly items: readonly Outline[];
}

export interface ScalarOutline extends Span {
  readonly kind: "scalar";
  readonly style: "plain" | "quoted" | "block" | "empty";
}

/** @throws MalformedYaml for what is no YAML and for what this does not read. */
export function outlineYaml(text: string): { outline: Outline; version: "1.1" | "1.2" | undefined } {
  const cursor = new Cursor(text);
  cursor.skipBlank();
  const version = takeVersion(cursor);
  if (cursor.atMarker("---")) {
    cursor.position += 3;
    cursor.skipBlank();
  }
  const root = cursor.atEnd() ? emptyAt(cursor.position) : scanBlock(cursor, -1, 1);
  cursor.skipBlank();
  if (cursor.atMarker("...")) {
    cursor.position += 3;
    cursor.skipBlank();
  }
  if (cursor.atMarker("---")) throw cursor.refuse("a second YAML document; a file holds one config");
  if (cursor.position < text.length) throw cursor.refuse("something that does not belong here; check the indentation");
  return { outline: root, version };
}

/** `%YAML 1.1`, which has its `---` after it. */
function takeVersion(cursor: Cursor): "1.1" | "1.2" | undefined {
  if (cursor.peek() !== "%") return undefined;
  const line = /^%YAML[ \t]+1\.([12])(?=[ \t]*(?:#.*)?\n)/.exec(cursor.text.slice(cursor.position));
  if (line === null) throw cursor.refuse("a YAML directive other than %YAML 1.1 or 1.2; leave it out");
  cursor.position += line[0].length;
  cursor.skipBlank();
  if (!cursor.atMarker("---")) throw cursor.refuse("a YAML directive without --- below it");
  return line[1] === "1" ? "1.1" : "1.2";
}

/** A node in block context whose parent is indented by `parent` columns; the cursor stands on its first character. */
function scanBlock(cursor: Cursor, parent: number, depth: number): Outline {
  cursor.checkDepth(depth);
  cursor.refuseIndicator();
  const column = cursor.column();
  if (cursor.atDash()) return scanSequence(cursor, column, depth);
  if (cursor.atKey()) return scanMapping(cursor, column, depth);
  return scanValue(cursor, parent, depth);
}

/** A node that is no block collection, and nothing but a comment after it on its last line. */
function scanValue(cursor: Cursor, parent: number, depth: number): Outline {
  cursor.refuseIndicator();
  const value = scanScalarOrFlow(cursor, parent, depth);
  cursor.expectLineEnd();
  return value;
}

function scanScalarOrFlow(cursor: Cursor, parent: number, depth: number): Outline {
  switch (cursor.peek()) {
    case "{":
    case "[":
      return scanFlow(cursor, depth);
    case "|":
    case ">":
      return scanBlockScalar(cursor, parent);
    case '"':
    case "'":
      return scanQuoted(cursor);
    default:
      return scanPlain(cursor, parent);
  }
}

function scanMapping(cursor: Cursor, column: number, depth: number): MappingOutline {
  const start = cursor.position;
  const entries: EntryOutline[] = [];
  const seen = new Set<string>();
  let end = start;
  while (cursor.continuesAt(column)) {
    cursor.refuseIndicator();
    const keyStart = cursor.position;
    const key = cursor.takeKey(seen);
    const value = scanEntryValue(cursor, column, depth);
    entries.push({ key, start: keyStart, value });
    end = value.end;
    cursor.skipBlank();
  }
  return { kind: "mapping", flow: false, entries, start, end };
}

/** The value of a key at `column`: on the same line, below and deeper, or a sequence that is not indented. */
function scanEntryValue(cursor: Cursor, column: number, depth: number): Outline {
  const behindColon = cursor.position;
  if (!cursor.atLineEnd()) {
    if (cursor.atDash()) throw cursor.refuse("a list on the line of its key; begin it on the next line");
    return scanValue(cursor, column, depth + 1);
  }
  cursor.skipBlank();
  const below = cursor.atEnd() ? -1 : cursor.column();
  if (below > column || (below === column && cursor.atDash())) return scanBlock(cursor, column, depth + 1);
  cursor.position = behindColon;
  return emptyAt(behindColon);
}

function scanSequence(cursor: Cursor, column: number, depth: number): SequenceOutline {
  const start = cursor.position;
  const items: Outline[] = [];
  let end = start;
  while (cursor.continuesAt(column) && cursor.atDash()) {
    cursor.countNode();
    cursor.position += 1;
    const behindDash = cursor.position;
    cursor.skipSpaces();
    if (cursor.atLineEnd()) cursor.skipBlank();
    if (!cursor.atEnd() && cursor.column() > column) {
      items.push(scanBlock(cursor, column, depth + 1));
    } else {
      cursor.position = behindDash;
      items.push(emptyAt(behindDash));
    }
    end = items.at(-1)!.end;
    cursor.skipBlank();
  }
  return { kind: "sequence", items, start, end };
}

function emptyAt(position: number): ScalarOutline {
  return { kind: "scalar", style: "empty", start: position, end: position };
}

/** The outline of the value at a path; undefined where there is none. */
export function findOutline(root: Outline, path: readonly (string | number)[]): Outline | undefined {
  let node: Outline | undefined = root;
  for (const step of path) {
    if (node?.kind === "mapping") node = node.entries.find(({ key }) => key === step)?.value;
    else if (node?.kind === "sequence") node = node.items[Number(step)];
    else return undefined;
  }
  return node;
}
