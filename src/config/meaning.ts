// What a scalar of a config file means where the schema wants a number, a truth value or digits: as elhaz takes it
// it, whose files hold `'3600'`, `3_600` and `yes`.
import { kindAt, type Path } from "./fields.ts";
import { isMapping } from "./mapping.ts";
import { plainTextOf, type YamlDocument } from "./yaml.ts";

const WHOLE = /^\s*[-+]?[0-9]+(?:_[0-9]+)*\s*$/;
/** In YAML 1.1 alone. */
const OCTAL = /^[-+]?0[0-7_]+$/;
const TRUE = /^(?:true|yes|on|y|t|1)$/i;
const FALSE = /^(?:false|no|off|n|f|0)$/i;

/** The value of a document, with what the schema's kinds make of its scalars. Null means absent. */
export function meaningOf(document: YamlDocument): unknown {
  return readAt(document, document.value, []);
}

function readAt(document: YamlDocument, value: unknown, path: Path): unknown {
  if (Array.isArray(value)) return value.map((item, index) => readAt(document, item, [...path, index]));
  if (!isMapping(value)) return readScalar(document, value, path);
  // Null prototype: a key may be `__proto__`, and must stay a key to be refused.
  const kept: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    if (item !== null) kept[key] = readAt(document, item, [...path, key]);
  }
  return kept;
}

function readScalar(document: YamlDocument, value: unknown, path: Path): unknown {
  const key = path.at(-1);
  if (key === "TokenCode" || key === "aws_account_id") {
    // Text however it is written, since its zeros count.
    return typeof value === "number" ? (plainTextOf(document, path) ?? value) : value;
  }
  const kind = kindAt(path);
  if (kind === "number") return readNumber(document, value, path);
  // A CA bundle named `no` would name nothing.
  return kind === "flag" || key === "verify" ? readFlag(value) : value;
}

function readNumber(document: YamlDocument, value: unknown, path: Path): unknown {
  const plain = document.version === "1.1" ? plainTextOf(document, path) : undefined;
  if (plain !== undefined && OCTAL.test(plain)) return Number.parseInt(plain.replaceAll("_", ""), 8);
  return typeof value === "string" && WHOLE.test(value) ? Number(value.replaceAll("_", "")) : value;
}

function readFlag(value: unknown): unknown {
  if (typeof value !== "string" && value !== 0 && value !== 1) return value;
  if (TRUE.test(String(value))) return true;
  return FALSE.test(String(value)) ? false : value;
}
