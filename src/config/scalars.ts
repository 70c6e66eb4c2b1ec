// The ends of scalars and flow collections in a YAML text.
import { Cursor, endOfPlainLine, endOfQuoted, isSpace, readKey } from "./cursor.ts";
import type { EntryOutline, MappingOutline, Outline, ScalarOutline, SequenceOutline } from "./outline.ts";

export function scanQuoted(cursor: Cursor): ScalarOutline {
  const start = cursor.position;
  cursor.position = endOfQuoted(cursor.text, start);
  return { kind: "scalar", style: "quoted", start, end: cursor.position };
}

/** A plain scalar, which goes on over the lines that are indented deeper than its parent. */
export function scanPlain(cursor: Cursor, parent: number): ScalarOutline {
  const { text, position: start } = cursor;
  let end = start;
  for (;;) {
    const stop = endOfPlainLine(text, cursor.position, false);
    if (text.charAt(stop) === ":") throw cursor.refuse("a colon and a space within a value; quote the value");
    end = stop;
    if (text.charAt(stop) !== "\n") break;
    cursor.position = stop;
    while (isSpace(cursor.peek()) && cursor.peek() !== "") cursor.position += 1;
    if (cursor.atEnd() || cursor.column() <= parent || cursor.peek() === "#") break;
  }
  end = start + text.slice(start, end).trimEnd().length;
  cursor.position = end;
  return { kind: "scalar", style: "plain", start, end };
}

/** `|` or `>` with its indented lines. */
export function scanBlockScalar(cursor: Cursor, parent: number): ScalarOutline {
  const { text, position: start } = cursor;
  cursor.position += 1;
  let indentation = 0;
  while (/[-+1-9]/.test(cursor.peek())) {
    const digit = Number(cursor.peek());
    if (digit > 0) indentation = Math.max(parent, 0) + digit;
    cursor.position += 1;
  }
  cursor.expectLineEnd();
  let lineEnd = text.indexOf("\n", cursor.position);
  while (lineEnd !== -1) {
    const line = text.slice(lineEnd + 1, endOfLine(text, lineEnd + 1));
    const depth = line.length - line.trimStart().length;
    const blank = depth === line.length;
    if (!blank) {
      if (indentation === 0) indentation = Math.max(spacesOf(line), parent + 1);
      if (spacesOf(line) < indentation) break;
    }
    lineEnd = text.indexOf("\n", lineEnd + 1);
  }
  cursor.position = lineEnd === -1 ? text.length : lineEnd;
  return { kind: "scalar", style: "block", start, end: cursor.position };
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf("\n", start);
  return end === -1 ? text.length : end;
}

function spacesOf(line: string): number {
  return /^ */.exec(line)![0].length;
}

/** `{…}` or `[…]`, over as many lines as it likes. */
export function scanFlow(cursor: Cursor, depth: number): MappingOutline | SequenceOutline {
  cursor.checkDepth(depth);
  return cursor.peek() === "{" ? scanFlowMapping(cursor, depth) : scanFlowSequence(cursor, depth);
}

function scanFlowMapping(cursor: Cursor, depth: number): MappingOutline {
  const start = cursor.position;
  const entries: EntryOutline[] = [];
  const seen = new Set<string>();
  cursor.position += 1;
  for (skipFlowBlank(cursor); cursor.peek() !== "}"; skipFlowBlank(cursor)) {
    cursor.refuseIndicator();
    const keyStart = cursor.position;
    const written = scanFlowScalar(cursor);
    const key = readKey(cursor.text.slice(written.start, written.end));
    cursor.noteKey(key, seen, keyStart);
    skipFlowBlank(cursor);
    if (cursor.peek() !== ":") throw cursor.refuse("a key without a colon and a space", keyStart);
    cursor.position += 1;
    skipFlowBlank(cursor);
    entries.push({ key, start: keyStart, value: scanFlowNode(cursor, depth + 1) });
    takeComma(cursor, "}");
  }
  cursor.position += 1;
  return { kind: "mapping", flow: true, entries, start, end: cursor.position };
}

function scanFlowSequence(cursor: Cursor, depth: number): SequenceOutline {
  const start = cursor.position;
  const items: Outline[] = [];
  cursor.position += 1;
  for (skipFlowBlank(cursor); cursor.peek() !== "]"; skipFlowBlank(cursor)) {
    cursor.countNode();
    items.push(scanFlowNode(cursor, depth + 1));
    takeComma(cursor, "]");
  }
  cursor.position += 1;
  return { kind: "sequence", items, start, end: cursor.position };
}

function scanFlowNode(cursor: Cursor, depth: number): Outline {
  cursor.refuseIndicator();
  const next = cursor.peek();
  if (next === "{" || next === "[") return scanFlow(cursor, depth);
  if (next === "," || next === "}" || next === "]")
    return { kind: "scalar", style: "empty", start: cursor.position, end: cursor.position };
  return scanFlowScalar(cursor);
}

function scanFlowScalar(cursor: Cursor): ScalarOutline {
  const start = cursor.position;
  if (cursor.peek() === '"' || cursor.peek() === "'") return scanQuoted(cursor);
  const stop = endOfPlainLine(cursor.text, start, true);
  const end = start + cursor.text.slice(start, stop).trimEnd().length;
  if (end === start) throw cursor.refuse("a bracket or a comma that does not belong here");
  cursor.position = end;
  return { kind: "scalar", style: "plain", start, end };
}

function takeComma(cursor: Cursor, close: "}" | "]"): void {
  skipFlowBlank(cursor);
  if (cursor.peek() === ",") cursor.position += 1;
  else if (cursor.peek() !== close)
    throw cursor.refuse(`something that is neither "," nor "${close}"; quote the value`);
}

function skipFlowBlank(cursor: Cursor): void {
  for (;;) {
    while (cursor.peek() !== "" && isSpace(cursor.peek())) cursor.position += 1;
    if (cursor.peek() === "") throw cursor.refuse("a bracket that does not close");
    if (!cursor.atLineEnd()) return;
    const end = cursor.text.indexOf("\n", cursor.position);
    cursor.position = end === -1 ? cursor.text.length : end;
  }
}
