// The format of ~/.aws/config and ~/.aws/credentials, as Python's configparser reads it for the AWS CLI, and more
// lenient: what the CLI refuses whole is read for what it says.

/** Section header as it stands between the brackets → key in lower case → value; a nested key is `parent.child`. */
export type Sections = Map<string, Map<string, string>>;

/** Its value is a command line, in which ` #` and ` ;` mean something. */
const COMMAND = "credential_process";

/**
 * Never fails: what is not understood is skipped. A later section of the same name adds to the earlier one.
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
export function parseIni(text: string): Sections {
  const sections: Sections = new Map();
  let section: Map<string, string> | undefined;
  let parent: string | undefined;
  for (const raw of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    const line = raw.trim();
    if (line === "" || /^[#;]/.test(line)) continue;
    if (line.startsWith("[")) {
      const end = line.indexOf("]");
      section = end === -1 ? undefined : sectionOf(sections, line.slice(1, end).trim());
      parent = undefined;
      continue;
    }
    const delimiter = line.search(/[=:]/);
    if (section === undefined || delimiter < 1) continue;
    const key = line.slice(0, delimiter).trim().toLowerCase();
    const value = line.slice(delimiter + 1).trim();
    const clean = key === COMMAND ? value : stripComment(value);
    const nested = /^\s/.test(raw) && parent !== undefined;
    if (!nested) parent = clean === "" ? key : undefined;
    if (clean !== "") section.set(nested ? `${parent}.${key}` : key, clean);
  }
  return sections;
}

/** Behind white space, or in the place of a value; elsewhere `#` and `;` belong to the value. */
function stripComment(value: string): string {
  return value.replace(/(^|\s)[#;].*$/, "").trim();
}

function sectionOf(sections: Sections, header: string): Map<string, string> {
  const existing = sections.get(header);
  if (existing) return existing;
  const created = new Map<string, string>();
  sections.set(header, created);
  return created;
}

/** As Python has it, which does not count a byte order mark. */
const SPACE = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`;
const OUTER_SPACE = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
/** Within a value, where Python splits it (str.splitlines). */
const LINE_END = new RegExp(String.raw`[\v\f\x1c-\x1e\x85\u2028\u2029]`);
const INDENT = new RegExp(`^${SPACE}*`);

/**
 * Why the AWS CLI refuses a config file as a whole, with the line; undefined where it reads it. Python's
 * configparser.RawConfigParser, and botocore/configloader.py for nested settings. Names no setting: it may be a value out of
 * place.
 */
export function refusalByCli(text: string): string | undefined {
  const seen = new Set<string>();
  let section: string | undefined;
  let key = "";
  let indent = 0;
  /** The value of `key` begins on the next line. */
  let isNested = false;
  for (const [index, raw] of text.split(/\r\n|[\r\n]/).entries()) {
    const line = raw.replaceAll(OUTER_SPACE, "");
    const at = (what: string) => `line ${index + 1} ${what}`;
    if (line === "" || /^[#;]/.test(line)) continue;
    const column = INDENT.exec(raw)![0].length;
    if (section !== undefined && key !== "" && column > indent) {
      const parts = line.split(LINE_END).filter((part) => part.replaceAll(OUTER_SPACE, "") !== "");
      if (isNested && parts.some((part) => !part.includes("="))) return at("is a nested setting without =");
      continue;
    }
    indent = column;
    const header = /^\[(.+)\]/s.exec(line)?.[1];
    const delimiter = line.search(/[=:]/);
    if (header !== undefined) {
      if (seen.has(header)) return at(`begins a second section [${header}]`);
      section = header;
      key = "";
    } else if (section === undefined) return at("stands before any section");
    else if (delimiter < 1) return at("is neither a section nor a setting");
    else {
      key = line.slice(0, delimiter).replaceAll(OUTER_SPACE, "").toLowerCase();
      isNested = line.slice(delimiter + 1).replaceAll(OUTER_SPACE, "") === "";
    }
    const name = key === "" ? section : `${section}\n${key}`;
    if (seen.has(name)) return at("sets what its section has set before");
    seen.add(name);
  }
  return undefined;
}
