// The schema of `grants/NAME.yaml`: what of a grant lies on the disk, in words a person reads. The only file here that
// knows valibot. Every message is a constant: valibot's own ones repeat the value, which may be a secret.
import * as v from "valibot";
import { checkField } from "../config/check.ts";
import { formatPath, type Path } from "../config/fields.ts";
import { isMapping } from "../config/mapping.ts";
import { isSourceName } from "../config/name.ts";
import { KeyholeError } from "../errors.ts";
import { mayBeKept } from "./kept-variables.ts";
import { formatRate, formatSpan, formatTime, parseRate, parseSpan, parseTime } from "./formats.ts";
import { arches, deliveries, type Executable, executables, type Grant, type Rate } from "./grant.ts";
import { checkMountPath } from "./mount.ts";
import { isGrantId } from "./names.ts";

const LARGEST_U32 = 2 ** 32 - 1;

/** Characters. One definition, which a person may have written, must fit into the answer that lists it. */
const LONGEST_TEXT = 16 * 1024;

const text = v.pipe(
  v.string("must be text"),
  v.maxLength(LONGEST_TEXT, `must have at most ${LONGEST_TEXT} characters`),
);
const flag = v.boolean("must be true or false");
const number = v.pipe(
  v.number("must be a whole number, without quotes"),
  v.integer("must be a whole number"),
  v.minValue(0, "must be a whole number that is not negative"),
  v.maxValue(LARGEST_U32, `must be at most ${LARGEST_U32}`),
);

const patterns = v.array(text, "must be a list");

/** Text that `parse` makes a value of; what it throws is a person's, of another place. */
function parsed<Value>(parse: (text: string) => Value, expected: string) {
  return v.pipe(
    text,
    v.rawTransform(({ dataset, addIssue, NEVER }): Value => {
      try {
        return parse(dataset.value);
      } catch (error) {
        if (!(error instanceof KeyholeError)) throw error;
        addIssue({ message: `must be ${expected}` });
        return NEVER;
      }
    }),
  );
}

const time = v.pipe(
  text,
  v.check((value) => parseTime(value) !== undefined, "must be a time, like 2026-01-31T23:59:59Z"),
  v.transform((value) => parseTime(value)!),
);

/** One field of a grant in its file. */
interface Field<Value> {
  readonly key: string;
  readonly schema: v.GenericSchema<unknown, Value>;
  /** As the file has it; undefined for what is left out. */
  readonly write: (value: Value) => unknown;
}

const asIs = (value: unknown): unknown => value;
const filled = (items: readonly unknown[]): unknown => (items.length === 0 ? undefined : items);
/** `write` of what may be absent. */
const given =
  <Value>(write: (value: Value) => unknown) =>
  (value: Value | undefined): unknown =>
    value === undefined ? undefined : write(value);

/** In the order of the file. A field of a grant that stands not here does not compile. */
const fields: { readonly [Name in keyof Omit<Grant, "name">]: Field<Grant[Name]> } = {
  config: {
    key: "config",
    schema: v.pipe(text, v.check(isSourceName, "must be the name of a config, or aws: and that of a profile")),
    write: asIs,
  },
  id: {
    key: "id",
    schema: v.pipe(text, v.check(isGrantId, "must be a SHA-256: 64 digits and small letters a to f")),
    write: asIs,
  },
  sessionName: {
    key: "session_name",
    schema: v.pipe(
      text,
      v.check(
        (name) => checkField(["AssumeRole", "RoleSessionName"], name) === undefined,
        "must be a role session's name: 2 to 64 letters, digits or _+=,.@-",
      ),
    ),
    write: asIs,
  },
  identity: {
    key: "identity",
    schema: v.optional(v.pipe(text, v.startsWith("arn:", "must be the ARN of an identity"))),
    write: asIs,
  },
  createdAt: { key: "created", schema: time, write: formatTime },
  endsAt: { key: "ends", schema: v.optional(time), write: given(formatTime) },
  clockSkew: {
    key: "clock_skew_ms",
    schema: v.optional(v.pipe(v.number("must be a whole number"), v.safeInteger("must be a whole number")), 0),
    write: (skew) => (skew === 0 ? undefined : skew),
  },
  revokedAt: { key: "revoked", schema: v.optional(time), write: given(formatTime) },
  policy: { key: "policy", schema: v.optional(text), write: asIs },
  policyArns: { key: "policy_arns", schema: v.optional(v.array(text, "must be a list"), []), write: filled },
  tags: {
    key: "tags",
    schema: v.optional(v.array(v.strictObject({ key: text, value: text }), "must be a list"), []),
    write: filled,
  },
  sourceIdentity: { key: "source_identity", schema: v.optional(text), write: asIs },
  durationSeconds: {
    key: "duration",
    schema: v.optional(parsed((value) => parseSpan(value, ""), "a span of time, like 1h or 900s")),
    write: given(formatSpan),
  },
  deliver: { key: "deliver", schema: v.picklist(deliveries, "must be socket, file or sign"), write: asIs },
  mountAt: {
    key: "mount_at",
    schema: parsed((value) => checkMountPath(value), "host or an absolute path"),
    write: asIs,
  },
  executable: {
    key: "executable",
    // Former versions knew the full one alone, and read what they can.
    schema: v.pipe(
      v.union([v.boolean(), v.picklist(executables)], "must be small, full or none"),
      v.transform((value): Executable => (typeof value === "string" ? value : value ? "full" : "none")),
    ),
    write: (executable) => (executable === "small" ? executable : executable === "full"),
  },
  arch: { key: "arch", schema: v.optional(v.picklist(arches, "must be amd64 or arm64")), write: asIs },
  allowUids: { key: "allow_uids", schema: v.optional(v.array(number, "must be a list"), []), write: filled },
  allowGids: { key: "allow_gids", schema: v.optional(v.array(number, "must be a list"), []), write: filled },
  rate: {
    key: "rate",
    schema: parsed((value): Rate => parseRate(value, ""), "requests in a time, like 10/s"),
    write: formatRate,
  },
  maxUses: {
    key: "max_uses",
    schema: v.optional(v.pipe(number, v.minValue(1, "must be a whole number above 0"))),
    write: asIs,
  },
  uses: { key: "uses", schema: v.optional(number, 0), write: asIs },
  confirm: { key: "confirm", schema: flag, write: asIs },
  sign: {
    key: "sign",
    schema: v.optional(
      v.strictObject({
        allow: v.optional(patterns, []),
        deny: v.optional(patterns, []),
        confirm: v.optional(patterns, []),
        regions: v.optional(patterns, []),
        resources: v.optional(patterns, []),
        port: v.pipe(number, v.minValue(1, "must be a port"), v.maxValue(65_535, "must be a port")),
        listen: v.optional(flag, false),
      }),
    ),
    write: given(asIs),
  },
  dummy: {
    key: "dummy_keys",
    schema: v.optional(
      v.strictObject({
        accessKeyId: v.pipe(text, v.regex(/^ASIA[A-Z0-9]{16}$/, "must be the id of an access key")),
        secretAccessKey: v.pipe(text, v.regex(/^[\w-]{40}$/, "must be the secret that keyhole made")),
      }),
    ),
    write: asIs,
  },
  environment: {
    key: "environment",
    // A record of valibot's may be a list.
    schema: v.optional(
      v.pipe(
        v.custom<Readonly<Record<string, unknown>>>(isMapping, "must be a mapping of variables"),
        v.record(v.string(), text),
      ),
      {},
    ),
    write: (environment) => (Object.keys(environment).length === 0 ? undefined : environment),
  },
  hadKeys: { key: "had_keys", schema: flag, write: asIs },
  keyId: {
    key: "key_id",
    schema: v.optional(v.pipe(text, v.regex(/^\w{1,128}$/, "must be the id of an access key"))),
    write: asIs,
  },
  configDir: {
    key: "config_dir",
    schema: v.optional(v.pipe(text, v.startsWith("/", "must be an absolute path"))),
    write: asIs,
  },
  runner: {
    key: "runner",
    schema: v.optional(v.strictObject({ pid: v.pipe(number, v.minValue(1, "must be a pid")), started: text })),
    write: asIs,
  },
};

const entries = Object.entries(fields) as [keyof typeof fields, Field<unknown>][];
const schema = v.strictObject(Object.fromEntries(entries.map(([, field]) => [field.key, field.schema])));

/** As `dumpYaml` writes it; what is absent is left out. */
export function toDocument(grant: Grant): Readonly<Record<string, unknown>> {
  const written = entries.map(([name, { key, write }]) => [key, write(grant[name])] as const);
  return Object.fromEntries(written.filter(([, value]) => value !== undefined));
}

/** What is wrong with a place of a document, without its value. */
interface DocumentProblem {
  readonly path: Path;
  /** `id must be …` */
  readonly message: string;
}

/** The grant that a document says, or everything that is wrong with it. */
export function fromDocument(
  name: string,
  value: unknown,
): { readonly grant: Grant } | { readonly problems: readonly DocumentProblem[] } {
  if (!isMapping(value)) return { problems: [{ path: [], message: "the file must be a mapping" }] };
  const result = v.safeParse(schema, value, {
    abortPipeEarly: true,
    message: ({ type }) => (type === "strict_object" ? "must be a mapping" : "is not what belongs here"),
  });
  const problems = [...(result.issues ?? []).map(describeIssue), ...checkEnvironment(value["environment"])];
  if (!result.success || problems.length > 0) return { problems };
  return { grant: toGrant(name, result.output) };
}

function toGrant(name: string, document: Readonly<Record<string, unknown>>): Grant {
  const read = Object.fromEntries(entries.map(([field, { key }]) => [field, document[key]]));
  return { name, ...(read as Omit<Grant, "name">) };
}

/** A person may have put keys there; they must not be used, nor stay. */
function checkEnvironment(environment: unknown): DocumentProblem[] {
  if (!isMapping(environment)) return [];
  return Object.entries(environment)
    .filter(([name, value]) => typeof value === "string" && !mayBeKept(name, value))
    .map(([name]) => problem(["environment", name], "must not lie on the disk"));
}

function describeIssue(issue: v.BaseIssue<unknown>): DocumentProblem {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  if (issue.type !== "strict_object") return problem(path, issue.message);
  // valibot reports unknown keys and missing ones as strict_object.
  if (issue.expected === "never") return problem(path, "is no key of a grant");
  return problem(path, issue.received === "undefined" ? "is required" : issue.message);
}

function problem(path: Path, message: string): DocumentProblem {
  return { path, message: `${formatPath(path)} ${message}` };
}
