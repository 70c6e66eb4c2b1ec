// Strict YAML: Bun.YAML for the values, checked against an outline of the text of our own. Where the two disagree the
// file is refused, so that neither one's gaps decide which role is assumed.
import { isMapping } from "./mapping.ts";
import { findOutline, lineAt, MalformedYaml, type Outline, outlineYaml, type ScalarOutline } from "./outline.ts";

export { MalformedYaml } from "./outline.ts";

/** Bytes. STS takes 2,048 characters of policies, so this is far above any config. */
export const YAML_LIMIT = 64 * 1024;

/** A text, what it says, and where each value stands in it. */
export interface YamlDocument {
  /** What a `%YAML` directive says; undefined without one. */
  readonly version: "1.1" | "1.2" | undefined;
  /** With `\n` line ends and without a byte order mark; offsets in `outline` refer to it. */
  readonly text: string;
  readonly value: unknown;
  readonly outline: Outline;
}

/** The text of a file, which is no longer than `YAML_LIMIT`. @throws MalformedYaml */
export function decodeYaml(bytes: Uint8Array): string {
  if (bytes.length > YAML_LIMIT) throw tooLarge();
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedYaml("not UTF-8");
  }
}

function tooLarge(): MalformedYaml {
  return new MalformedYaml(`larger than ${YAML_LIMIT / 1024} KiB`);
}

/**
 * Refuses duplicate keys, anchors, aliases, tags, merge keys, several documents, more than 64 KiB or 20 levels.
 *
 * @throws MalformedYaml with the line where it is known, and never with a value.
 */
export function parseYaml(source: string): YamlDocument {
  if (Buffer.byteLength(source) > YAML_LIMIT) throw tooLarge();
  const text = source.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  refuseControls(text);
  const { outline, version } = outlineYaml(text);
  const value = parseValues(text);
  refuseDisagreement(outline, value, text);
  return { version, text, value, outline };
}

/** Line of a value, or of the nearest of its parents that has one. */
export function lineOf(document: YamlDocument, path: readonly (string | number)[]): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = findOutline(document.outline, path.slice(0, length - 1));
    const entry = parent?.kind === "mapping" ? parent.entries.find(({ key }) => key === path[length - 1]) : undefined;
    const node = entry ?? findOutline(document.outline, path.slice(0, length));
    if (node !== undefined) return lineAt(document.text, node.start);
  }
  return undefined;
}

/** How a scalar is written, if it is plain: `089123`, where the value is the number 89123. */
export function plainTextOf(document: YamlDocument, path: readonly (string | number)[]): string | undefined {
  const node = findOutline(document.outline, path);
  if (node?.kind !== "scalar" || node.style !== "plain") return undefined;
  return document.text.slice(node.start, node.end);
}

function parseValues(text: string): unknown {
  try {
    return Bun.YAML.parse(text);
  } catch {
    // Bun's message may quote the text, and says nothing of where.
    throw new MalformedYaml("not valid YAML");
  }
}

/** YAML's printable characters exclude these; a terminal that shows the file would obey them. */
function refuseControls(text: string): void {
  // oxlint-disable-next-line no-control-regex
  const found = /[\u0000-\u0008\u000B-\u001F\u007F-\u0084\u0086-\u009F]/.exec(text);
  if (found !== null) throw new MalformedYaml("a control character", lineAt(text, found.index));
}

function refuseDisagreement(outline: Outline, value: unknown, text: string): void {
  if (!agrees(outline, value, text))
    throw new MalformedYaml("a construct that keyhole does not read; quote the value", lineAt(text, outline.start));
  if (outline.kind === "mapping") {
    const values = value as Record<string, unknown>;
    for (const entry of outline.entries) refuseDisagreement(entry.value, values[entry.key], text);
  }
  if (outline.kind === "sequence")
    for (const [index, item] of outline.items.entries()) refuseDisagreement(item, (value as unknown[])[index], text);
}

function agrees(outline: Outline, value: unknown, text: string): boolean {
  if (outline.kind === "scalar") return scalarAgrees(outline, value, text);
  if (outline.kind === "sequence") return Array.isArray(value) && value.length === outline.items.length;
  return (
    isMapping(value) &&
    Object.keys(value).length === outline.entries.length &&
    outline.entries.every(({ key }) => Object.hasOwn(value, key))
  );
}

function scalarAgrees({ style, start, end }: ScalarOutline, value: unknown, text: string): boolean {
  if (style === "empty") return value === null;
  if (style !== "plain") return typeof value === "string";
  if (typeof value === "string") return joined(value) === joined(text.slice(start, end));
  return typeof value !== "object" || value === null;
}

/** Folding turns line ends of a plain scalar into spaces; what is left must be the same. */
function joined(text: string): string {
  return text.replace(/\s+/g, "");
}
