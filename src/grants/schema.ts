// The schema of `grants/NAME.yaml`: what of a grant lies on the disk, in words a person reads. The only file here that
// knows valibot. Every message is a constant: valibot's own ones repeat the value, which may be a secret.
import * as v from "valibot";
import { checkField } from "../config/check.ts";
import { formatPath, type Path } from "../config/fields.ts";
import { isMapping } from "../config/mapping.ts";
import { isConfigName } from "../configname.ts";
import { KeyholeError } from "../errors.ts";
import { isGrantId } from "./directory.ts";
import { mayBeKept } from "./environment.ts";
import type { Grant, Rate } from "./grant.ts";
import { checkMountPath } from "./mount.ts";
import { formatRate, parseRate } from "./rate.ts";
import { formatSpan, parseSpan } from "./spans.ts";
import { formatTime, parseTime } from "./times.ts";

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

const schema = v.strictObject({
  config: v.pipe(text, v.check(isConfigName, "must be the name of a config")),
  id: v.pipe(text, v.check(isGrantId, "must be a SHA-256: 64 digits and small letters a to f")),
  session_name: v.pipe(
    text,
    v.check(
      (name) => checkField(["AssumeRole", "RoleSessionName"], name) === undefined,
      "must be a role session's name: 2 to 64 letters, digits or _+=,.@-",
    ),
  ),
  created: time,
  ends: v.optional(time),
  clock_skew_ms: v.optional(v.pipe(v.number("must be a whole number"), v.safeInteger("must be a whole number")), 0),
  revoked: v.optional(time),
  policy: v.optional(text),
  policy_arns: v.optional(v.array(text, "must be a list"), []),
  tags: v.optional(v.array(v.strictObject({ key: text, value: text }), "must be a list"), []),
  source_identity: v.optional(text),
  duration: v.optional(parsed((value) => parseSpan(value, ""), "a span of time, like 1h or 900s")),
  deliver: v.picklist(["socket", "file"], "must be socket or file"),
  mount_at: parsed((value) => checkMountPath(value), "host or an absolute path"),
  executable: flag,
  allow_uids: v.optional(v.array(number, "must be a list"), []),
  allow_gids: v.optional(v.array(number, "must be a list"), []),
  rate: parsed((value): Rate => parseRate(value, ""), "requests in a time, like 10/s"),
  max_uses: v.optional(v.pipe(number, v.minValue(1, "must be a whole number above 0"))),
  uses: v.optional(number, 0),
  confirm: flag,
  // A record of valibot's may be a list.
  environment: v.optional(
    v.pipe(
      v.custom<Readonly<Record<string, unknown>>>(isMapping, "must be a mapping of variables"),
      v.record(v.string(), text),
    ),
    {},
  ),
  had_keys: flag,
  key_id: v.optional(v.pipe(text, v.regex(/^\w{1,128}$/, "must be the id of an access key"))),
  config_dir: v.optional(v.pipe(text, v.startsWith("/", "must be an absolute path"))),
  runner: v.optional(v.strictObject({ pid: v.pipe(number, v.minValue(1, "must be a pid")), started: text })),
});

/** As `dumpYaml` writes it; what is absent is left out. */
export function toDocument(grant: Grant): Readonly<Record<string, unknown>> {
  const document: Record<keyof v.InferInput<typeof schema>, unknown> = {
    config: grant.config,
    id: grant.id,
    session_name: grant.sessionName,
    created: formatTime(grant.createdAt),
    ends: grant.endsAt === undefined ? undefined : formatTime(grant.endsAt),
    clock_skew_ms: grant.clockSkew === 0 ? undefined : grant.clockSkew,
    revoked: grant.revokedAt === undefined ? undefined : formatTime(grant.revokedAt),
    policy: grant.policy,
    policy_arns: filled(grant.policyArns),
    tags: filled(grant.tags.map(({ key, value }) => ({ key, value }))),
    source_identity: grant.sourceIdentity,
    duration: grant.durationSeconds === undefined ? undefined : formatSpan(grant.durationSeconds),
    deliver: grant.deliver,
    mount_at: grant.mountAt,
    executable: grant.executable,
    allow_uids: filled(grant.allowUids),
    allow_gids: filled(grant.allowGids),
    rate: formatRate(grant.rate),
    max_uses: grant.maxUses,
    uses: grant.uses,
    confirm: grant.confirm,
    environment: Object.keys(grant.environment).length === 0 ? undefined : grant.environment,
    had_keys: grant.hadKeys,
    key_id: grant.keyId,
    config_dir: grant.configDir,
    runner: grant.runner,
  };
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));
}

function filled(items: readonly unknown[]): readonly unknown[] | undefined {
  return items.length === 0 ? undefined : items;
}

/** What is wrong with a place of a document, without its value. */
export interface DocumentProblem {
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

function toGrant(name: string, document: v.InferOutput<typeof schema>): Grant {
  return {
    name,
    config: document.config,
    id: document.id,
    sessionName: document.session_name,
    createdAt: document.created,
    endsAt: document.ends,
    clockSkew: document.clock_skew_ms,
    revokedAt: document.revoked,
    policy: document.policy,
    policyArns: document.policy_arns,
    tags: document.tags,
    sourceIdentity: document.source_identity,
    durationSeconds: document.duration,
    deliver: document.deliver,
    mountAt: document.mount_at,
    executable: document.executable,
    allowUids: document.allow_uids,
    allowGids: document.allow_gids,
    rate: document.rate,
    maxUses: document.max_uses,
    uses: document.uses,
    confirm: document.confirm,
    environment: document.environment,
    hadKeys: document.had_keys,
    keyId: document.key_id,
    configDir: document.config_dir,
    runner: document.runner,
  };
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
