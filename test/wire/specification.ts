// src/wire/PROTOCOL.md, read by a machine: its tables, its fields, its hex dumps, and an encoder that knows the
// specification alone, to be held against the codecs of src/wire.
import * as fc from "fast-check";

const text = await Bun.file(new URL("../../src/wire/PROTOCOL.md", import.meta.url)).text();

export interface Field {
  readonly modifier: "optional" | "list" | undefined;
  readonly type: string;
  /** Empty where a body is a structure itself, as in the response of Add. */
  readonly name: string;
}

/** Rows of every table whose first column is a number: `| 5 | name | … |`. */
export function numbersUnder(heading: string): Record<string, number> {
  const rows = sectionOf(heading).matchAll(/^\| *(\d+) *\| *([\w-]+) *\|/gm);
  return Object.fromEntries([...rows].map(([, number, name]) => [name, Number(number)]));
}

/** The largest body and the largest length of a stream, from the table of limits. */
export function limitsOf(stream: string): readonly number[] {
  const row = text.split("\n").find((line) => line.startsWith(`| ${stream} `)) ?? "";
  return row.split("|").slice(2, 4).map(Number);
}

/** The bytes of every hex dump, with the text beside them checked. */
export function hexDumps(): readonly Uint8Array[] {
  return [...text.matchAll(/^```hexdump\n(.*?)^```$/gms)].map(([, dump]) => parseHexDump(dump!));
}

function parseHexDump(dump: string): Uint8Array {
  const rows = dump.trimEnd().split("\n");
  const parts = rows.map((row, index) => {
    const [, offset, hex, beside] = /^([0-9a-f]{8}) {2}(.{48}) {2}\|(.*)\|$/.exec(row) ?? [];
    if (Number.parseInt(offset!, 16) !== index * 16) throw new Error(`wrong offset: ${row}`);
    const bytes = Buffer.from(hex!.replaceAll(" ", ""), "hex");
    if (bytes.toString("latin1").replaceAll(/[^ -~]/g, ".") !== beside) throw new Error(`wrong text: ${row}`);
    return bytes;
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** The fields of `Vend (2)`, `Error reply (255)`, …: those of the request, the response, or the only ones. */
export function fieldsOf(heading: string, part?: "request" | "response"): readonly Field[] {
  const section = sectionOf(heading);
  const lines = part === undefined ? section : (section.split(`\n${part}\n`)[1] ?? "").split(/\n(?=\S)/)[0]!;
  return parseFields(lines, `${heading} ${part}`);
}

/** The fields of a structure of section 5. */
function structure(name: string): readonly Field[] {
  return parseFields(
    sectionOf("Structures")
      .split(`\n${name}\n`)[1]
      ?.split(/\n(?=\S)/)[0] ?? "",
    name,
  );
}

function parseFields(block: string, where: string): readonly Field[] {
  const lines = block.split("\n").filter((line) => line.startsWith("    "));
  if (lines.length === 0) throw new Error(`PROTOCOL.md has no fields for ${where}`);
  if (lines.join("").trim() === "nothing") return [];
  return lines.map((line) => {
    const [, modifier, type, name] = /^ {4}(?:(optional|list) )?(\w+) +(?:(\w+)|\(.*)/.exec(line) ?? [];
    if (type === undefined) throw new Error(`PROTOCOL.md has a field that cannot be read: ${line}`);
    return { modifier: modifier as Field["modifier"], type, name: name ?? "" };
  });
}

/** From a heading to the next of any level. */
function sectionOf(heading: string): string {
  const start = text.split(new RegExp(`^#+ (?:\\d+\\. )?${heading.replaceAll(/[()]/g, "\\$&")}$`, "m"))[1];
  if (start === undefined) throw new Error(`PROTOCOL.md has no section ${heading}`);
  return start.split(/^#/m)[0]!;
}

type Value = Readonly<Record<string, unknown>>;

/** Encodes as the specification says, and shares no code with src/wire. */
export function encodeBySpecification(fields: readonly Field[], value: Value): Buffer {
  return Buffer.concat(fields.map((field) => encodeField(field, field.name === "" ? value : value[field.name])));
}

function encodeField({ modifier, type }: Field, value: unknown): Buffer {
  if (modifier === undefined) return encodeType(type, value);
  if (modifier === "optional") {
    return value === undefined ? Buffer.of(0) : Buffer.concat([Buffer.of(1), encodeType(type, value)]);
  }
  const values = value as readonly unknown[];
  return Buffer.concat([integer(values.length, 2), ...values.map((item) => encodeType(type, item))]);
}

function encodeType(type: string, value: unknown): Buffer {
  if (type === "string") {
    const utf8 = Buffer.from(value as string, "utf8");
    return Buffer.concat([integer(utf8.length, 2), utf8]);
  }
  if (type === "bytes") return Buffer.concat([integer((value as Uint8Array).length, 4), value as Uint8Array]);
  if (type === "boolean") return Buffer.of(value === true ? 1 : 0);
  const bits = /^u(8|16|32|64)$/.exec(type)?.[1];
  if (bits !== undefined) return integer(value as number, Number(bits) / 8);
  return encodeBySpecification(structure(type), value as Value);
}

function integer(value: number, size: number): Buffer {
  return Buffer.from(value.toString(16).padStart(size * 2, "0"), "hex");
}

/** Any value that has these fields. */
export function arbitraryOf(fields: readonly Field[]): fc.Arbitrary<Value> {
  if (fields.length === 1 && fields[0]!.name === "") return arbitraryOf(structure(fields[0]!.type));
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, arbitraryField(field)])));
}

function arbitraryField({ modifier, type }: Field): fc.Arbitrary<unknown> {
  const value = arbitraryType(type);
  if (modifier === "optional") return fc.option(value, { nil: undefined });
  if (modifier === "list") return fc.array(value, { maxLength: 4 });
  return value;
}

function arbitraryType(type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case "string":
      return fc.string({ unit: "binary", maxLength: 40 });
    case "bytes":
      return fc.uint8Array({ maxLength: 300 });
    case "boolean":
      return fc.boolean();
    case "u8":
    case "u16":
    case "u32":
      return fc.integer({ min: 0, max: 2 ** Number(type.slice(1)) - 1 });
    case "u64":
      return fc.maxSafeNat();
    default:
      return arbitraryOf(structure(type));
  }
}
