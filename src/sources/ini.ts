// The format of ~/.aws/config and ~/.aws/credentials. A reader of our own, because the SDK's keeps every file it ever
// read, secrets included, in memory for the life of the process.

/** Section header as it stands between the brackets → key → value; a nested key is `parent.child`. */
export type Sections = Map<string, Map<string, string>>;

/**
 * Never fails: what is not understood is skipped, as the SDKs do. A later section of the same name adds to the
 * earlier one. https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
export function parseIni(text: string): Sections {
  const sections: Sections = new Map();
  let section: Map<string, string> | undefined;
  let parent: string | undefined;
  for (const raw of text.split(/\r?\n/)) {
    const line = stripComment(raw);
    if (line === "") continue;
    if (line.startsWith("[")) {
      const header = line.endsWith("]") ? line.slice(1, -1).trim() : undefined;
      section = header === undefined ? undefined : sectionOf(sections, header);
      parent = undefined;
      continue;
    }
    const equals = line.indexOf("=");
    if (section === undefined || equals < 1) continue;
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    const nested = /^\s/.test(raw) && parent !== undefined;
    if (!nested) parent = value === "" ? key : undefined;
    if (value !== "") section.set(nested ? `${parent}.${key}` : key, value);
  }
  return sections;
}

/** A comment starts with `#` or `;` at the start of a line or behind white space; elsewhere they belong to a value. */
function stripComment(line: string): string {
  return line.replace(/(^|\s)[#;].*$/, "").trim();
}

function sectionOf(sections: Sections, header: string): Map<string, string> {
  const existing = sections.get(header);
  if (existing) return existing;
  const created = new Map<string, string>();
  sections.set(header, created);
  return created;
}
