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
