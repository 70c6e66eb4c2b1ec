// Who may vend which configs on the shared socket: `shared.yaml`, which the daemon's owner writes.
//
//   allow:
//     - { user: agent, configs: [dev, ci] }
//     - { group: keyhole, configs: [readonly] }
//     - { uid: 1001, configs: [dev] }
//
// Nothing is allowed that no rule names; there is no way to say "all configs" or "everybody".
import * as v from "valibot";
import { formatPath } from "../../config/fields.ts";
import { isMapping } from "../../config/mapping.ts";
import { formatProblem } from "../../config/parse.ts";
import { lineOf, MalformedYaml, parseYaml, type YamlDocument } from "../../config/yaml.ts";
import { isConfigName } from "../../config/name.ts";
import { KeyholeError } from "../../errors.ts";

/** How a rule may name whom it is for; exactly one of them. */
const SUBJECTS = ["user", "uid", "group", "gid"] as const;
type Subject = (typeof SUBJECTS)[number];

/** One line of `allow`. Names are as they are written; who they are is the accounts' business. */
export interface Rule {
  readonly subject: Subject;
  /** A name, or a number's digits. */
  readonly value: string;
  readonly configs: readonly string[];
  /** In the file, from 1. */
  readonly line: number | undefined;
}

/** The largest number of a user or a group; one more stands for "none" in chown(2). */
const HIGHEST_ID = 2 ** 32 - 2;
/** Enough for every machine; a file of 64 KiB holds no more. */
const MOST_RULES = 1000;

const named = (other: Subject) => {
  const expected = `must be a name; a number stands under ${other}`;
  return v.pipe(v.string(expected), v.regex(/^[A-Za-z_][\w.@-]{0,254}\$?$/, expected));
};
const id = v.pipe(
  v.number("must be a number"),
  v.integer("must be a whole number"),
  v.minValue(0, "must not be negative"),
  v.maxValue(HIGHEST_ID, `must be at most ${HIGHEST_ID}`),
);
const rule = v.strictObject({
  user: v.optional(named("uid")),
  uid: v.optional(id),
  group: v.optional(named("gid")),
  gid: v.optional(id),
  configs: v.pipe(
    v.array(
      v.pipe(
        v.string("must be the name of a config"),
        v.check(isConfigName, "must be the name of a config; each is listed by its name"),
      ),
      "must be a list of configs' names",
    ),
    v.minLength(1, "must name a config"),
  ),
});
const schema = v.strictObject({
  allow: v.pipe(v.array(rule, "must be a list of rules"), v.maxLength(MOST_RULES, "has too many rules")),
});

/**
 * @param file what errors call the text
 * @throws KeyholeError `invalid-config` with every problem, each on a line that names file, line and key.
 */
export function parsePolicy(text: string, file: string): Rule[] {
  const document = readYaml(text, file);
  // A list is an object to valibot.
  if (!isMapping(document.value)) throw invalid(file, [describe(file, document, [], "must be a mapping")]);
  const result = v.safeParse(schema, withoutNulls(document.value), {
    abortPipeEarly: true,
    message: () => "must be a mapping",
  });
  const problems = result.success ? [] : result.issues.map(problemOf);
  const rules = result.success ? result.output.allow.map((written, at) => ruleOf(written, at, document)) : [];
  for (const [at, found] of rules.entries())
    if (found === undefined) problems.push({ path: ["allow", at], message: `must have one of ${SUBJECTS.join(", ")}` });
  if (problems.length === 0) return rules.filter((found) => found !== undefined);
  throw invalid(
    file,
    problems.map(({ path, message }) => describe(file, document, path, message)),
  );
}

function invalid(file: string, lines: readonly string[]): KeyholeError {
  return new KeyholeError("invalid-config", lines.join("\n"), `edit ${file}`);
}

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function problemOf(issue: v.InferIssue<typeof schema>): Problem {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  if (issue.type !== "strict_object") return { path, message: issue.message };
  // valibot reports unknown keys and missing ones as strict_object. The key may be a value out of place: not repeated.
  if (issue.expected === "never") {
    return { path: path.slice(0, -1), message: `has a key that is not known; known here: ${knownAt(path).join(", ")}` };
  }
  return { path, message: issue.received === "undefined" ? "is required" : "must be a mapping" };
}

function knownAt(path: Problem["path"]): readonly string[] {
  return path.length === 1 ? Object.keys(schema.entries) : Object.keys(rule.entries);
}

function ruleOf(written: v.InferOutput<typeof rule>, at: number, document: YamlDocument): Rule | undefined {
  const [subject, another] = SUBJECTS.filter((key) => written[key] !== undefined);
  if (subject === undefined || another !== undefined) return undefined;
  return { subject, value: String(written[subject]), configs: written.configs, line: lineOf(document, ["allow", at]) };
}

function describe(file: string, document: YamlDocument, path: Problem["path"], message: string): string {
  const what = path.length === 0 ? "the file" : formatPath(path);
  const problem = { line: lineOf(document, path), message: `${what} ${message}` };
  return `${file}: ${formatProblem(problem)}`;
}

function readYaml(text: string, file: string): YamlDocument {
  try {
    return parseYaml(text);
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    throw invalid(file, [`${file}: ${formatProblem(error)}`]);
  }
}

/** `allow:` with nothing after it is an empty list: no member is allowed anything. */
function withoutNulls(value: unknown): unknown {
  return isMapping(value) && value["allow"] === null ? { ...value, allow: [] } : value;
}
