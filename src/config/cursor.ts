// A place in a YAML text and the questions that are asked there.

/** A text that is refused: why, and at which line. The message holds no value of the text. */
export class MalformedYaml extends Error {
  override readonly name = "MalformedYaml";
  readonly line: number | undefined;

  constructor(message: string, line?: number) {
    super(message);
    this.line = line;
  }
}

/** Deeper than any config; keeps recursion and a hostile file short. */
const DEPTH_LIMIT = 20;
/** Keys and list items. A config with all that STS takes has some 300; each problem of a hostile one costs a search. */
const NODE_LIMIT = 2000;

const REFUSED: Readonly<Record<string, string>> = {
  "&": "an anchor (&); keyhole reads none, write the value out",
  "*": "an alias (*); keyhole reads none, write the value out, or quote a text that begins with *",
  "!": "a tag (!); leave it out, or quote a text that begins with !",
  "%": "a text that begins with %; quote it",
  "@": "a text that begins with @; quote it",
  "`": "a text that begins with a backquote; quote it",
};

/** Line number of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

export class Cursor {
  readonly text: string;
  position = 0;
  #nodes = 0;

  constructor(text: string) {
    this.text = text;
  }

  peek(ahead = 0): string {
    return this.text.charAt(this.position + ahead);
  }

  refuse(what: string, at = this.position): MalformedYaml {
    return new MalformedYaml(what, lineAt(this.text, at));
  }

  checkDepth(depth: number): void {
    if (depth > DEPTH_LIMIT) throw this.refuse(`nesting deeper than ${DEPTH_LIMIT} levels`);
  }

  /** Called for every key and every item of a list. */
  countNode(): void {
    this.#nodes += 1;
    if (this.#nodes > NODE_LIMIT) throw this.refuse(`more than ${NODE_LIMIT} keys and list items`);
  }

  column(): number {
    return this.position - (this.text.lastIndexOf("\n", this.position - 1) + 1);
  }

  /** At the end of the text, or at a marker that ends the document. */
  atEnd(): boolean {
    return this.position >= this.text.length || this.atMarker("---") || this.atMarker("...");
  }

  atMarker(marker: "---" | "..."): boolean {
    return this.text.startsWith(marker, this.position) && isSpace(this.peek(3)) && this.column() === 0;
  }

  /** Whether a collection at `column` goes on here. */
  continuesAt(column: number): boolean {
    if (this.atEnd() || this.column() < column) return false;
    if (this.column() > column) throw this.refuse("an indentation that fits nothing above it");
    return true;
  }

  atDash(): boolean {
    return this.peek() === "-" && isSpace(this.peek(1));
  }

  /** Nothing more on this line but a comment. */
  atLineEnd(): boolean {
    const next = this.peek();
    return next === "" || next === "\n" || (next === "#" && isSpace(this.text.charAt(this.position - 1)));
  }

  expectLineEnd(): void {
    this.skipSpaces();
    if (!this.atLineEnd()) throw this.refuse("something after the end of a value; quote the whole value");
  }

  skipSpaces(): void {
    while (this.peek() === " " || this.peek() === "\t") this.position += 1;
  }

  /** To the next thing that is no blank, line end or comment; tabs may not indent a block. */
  skipBlank(): void {
    for (;;) {
      this.skipSpaces();
      if (!this.atLineEnd()) break;
      const lineEnd = this.text.indexOf("\n", this.position);
      if (lineEnd === -1) this.position = this.text.length;
      if (lineEnd === -1) return;
      this.position = lineEnd + 1;
    }
    const lineStart = this.position - this.column();
    const tab = this.text.indexOf("\t", lineStart);
    if (tab !== -1 && tab < this.position && this.text.slice(lineStart, this.position).trim() === "")
      throw this.refuse("a tab in the indentation; use spaces");
  }

  refuseIndicator(): void {
    const reason = REFUSED[this.peek()];
    if (reason !== undefined) throw this.refuse(reason);
    if (this.peek() === "?" && isSpace(this.peek(1))) throw this.refuse("an explicit key (?); write `key: value`");
  }

  /** Whether a key and its colon stand here, on one line. */
  atKey(): boolean {
    return this.#colon() !== undefined;
  }

  /** Takes a key with its colon and the spaces after it. */
  takeKey(seen: Set<string>): string {
    const start = this.position;
    const colon = this.#colon();
    if (colon === undefined) throw this.refuse("a line that is no `key: value`");
    const key = readKey(this.text.slice(start, colon).trimEnd());
    this.noteKey(key, seen, start);
    this.position = colon + 1;
    this.skipSpaces();
    return key;
  }

  noteKey(key: string, seen: Set<string>, at: number): void {
    this.countNode();
    if (key === "<<") throw this.refuse("a merge key (<<); write the values out", at);
    if (seen.has(key)) throw this.refuse(`the key ${showKey(key)} for the second time`, at);
    seen.add(key);
  }

  #colon(): number | undefined {
    const quote = this.peek();
    let at = this.position;
    if (quote === '"' || quote === "'") {
      at = endOfQuoted(this.text, at);
      while (this.text.charAt(at) === " " || this.text.charAt(at) === "\t") at += 1;
      if (this.text.slice(this.position, at).includes("\n")) return undefined;
      return this.text.charAt(at) === ":" && isSpace(this.text.charAt(at + 1)) ? at : undefined;
    }
    if (quote === "{" || quote === "[" || quote === "|" || quote === ">") return undefined;
    at = endOfPlainLine(this.text, at, false);
    return this.text.charAt(at) === ":" ? at : undefined;
  }
}

/** White space, or the end of the text. */
export function isSpace(character: string): boolean {
  return character === "" || character === " " || character === "\n" || character === "\t";
}

/** Where a plain scalar stops on its line: a line end, a comment, a colon; in a flow collection also at `,[]{}`. */
export function endOfPlainLine(text: string, start: number, flow: boolean): number {
  for (let at = start; at < text.length; at += 1) {
    const character = text.charAt(at);
    const next = text.charAt(at + 1);
    if (character === "\n") return at;
    if (character === "#" && at > start && isSpace(text.charAt(at - 1))) return at;
    if (character === ":" && (isSpace(next) || (flow && ",[]{}".includes(next)))) return at;
    if (flow && ",[]{}".includes(character)) return at;
  }
  return text.length;
}

/** @throws MalformedYaml if the quote does not end. */
export function endOfQuoted(text: string, start: number): number {
  const quote = text.charAt(start);
  for (let at = start + 1; at < text.length; at += 1) {
    if (quote === '"' && text.charAt(at) === "\\") at += 1;
    else if (text.charAt(at) === quote) {
      if (quote === '"' || text.charAt(at + 1) !== "'") return at + 1;
      at += 1;
    }
  }
  throw new MalformedYaml("a quote that does not end", lineAt(text, start));
}

export function readKey(written: string): string {
  if (written.startsWith('"')) return String(Bun.YAML.parse(written));
  if (written.startsWith("'")) return written.slice(1, -1).replaceAll("''", "'");
  return written;
}

/** Keys are named in errors, but one that looks like no key may be a value that lost its place. */
export function showKey(key: string): string {
  return /^[A-Za-z_][\w-]{0,63}$/.test(key) ? key : "(not a plain word)";
}
