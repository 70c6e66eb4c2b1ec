// What is wrong with a value, in our own words: valibot's repeat the value, which may be a secret.
import * as v from "valibot";
import { suggest } from "../text/suggest.ts";
import { keysAt, kindAt, type Path, schemaAt, topLevelHome } from "./fields.ts";
import { isMapping } from "./mapping.ts";
import { type Config, configSchema, POLICY_LIMIT, SHORTEST_DURATION } from "./config.ts";

/** One thing that is wrong with a config; no message holds a value of it. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
}

/** Unknown keys of one mapping that are named; for each the nearest known one is looked for. */
const STRANGER_LIMIT = 50;

/** Every problem of a value, or the config that it is. */
export function checkSchema(value: unknown): { readonly config: Config } | { readonly problems: Problem[] } {
  const unknown = findUnknownKeys(value, []);
  const result = v.safeParse(configSchema, value, {
    abortPipeEarly: true,
    message: ({ type }) => (type === "strict_object" ? "must be a mapping" : "is not what belongs here"),
  });
  if (result.success && unknown.length === 0) return { config: result.output };
  const issues = (result.issues ?? []).filter((issue) => !isUnknownKey(issue));
  return { problems: [...issues.map(describeIssue), ...unknown] };
}

type Issue = v.InferIssue<typeof configSchema>;

/** valibot reports unknown keys and missing ones as strict_object. */
function isUnknownKey(issue: Issue): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

function describeIssue(issue: Issue): Problem {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  if (issue.type === "strict_object" && issue.received === "undefined") return { path, message: "is required" };
  if (typeof issue.input === "number" && issue.expected === "string")
    return { path, message: `${issue.message}: a number must be put in quotes` };
  return { path, message: issue.message };
}

/** valibot stops at the first unknown key of a mapping; a person wants to see them all. */
function findUnknownKeys(value: unknown, path: Path): Problem[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => findUnknownKeys(item, [...path, index]));
  if (!isMapping(value) || kindAt(path) !== "mapping") return [];
  const known = keysAt(path);
  const strangers = Object.keys(value).filter((key) => !known.includes(key));
  return [
    ...strangers.slice(0, STRANGER_LIMIT).map((key) => ({ path: [...path, key], message: unknownKey([...path, key]) })),
    ...known.flatMap((key) => findUnknownKeys(value[key], [...path, key])),
  ];
}

/** What is wrong with a path that a person wrote; undefined if the schema has it. */
export function checkPath(path: Path): string | undefined {
  for (let length = 1; length <= path.length; length += 1) {
    const here = path.slice(0, length);
    const step = here.at(-1)!;
    if (schemaAt(here) === undefined) return typeof step === "number" ? "is no list" : unknownKey(here);
  }
  return undefined;
}

/** What is wrong with the value of one field, in words without the value; undefined if nothing is. */
export function checkField(path: Path, value: unknown): string | undefined {
  const schema = schemaAt(path);
  if (schema === undefined) return undefined;
  const issue = v.safeParse(schema, value, { abortPipeEarly: true }).issues?.[0];
  return issue?.message;
}

function unknownKey(path: Path): string {
  const key = String(path.at(-1));
  const siblings = keysAt(path.slice(0, -1));
  const begun = siblings.filter((sibling) => key.length > 2 && plain(sibling).startsWith(plain(key)));
  const near =
    siblings.find((sibling) => plain(sibling) === plain(key)) ??
    (begun.length === 1 ? begun[0] : undefined) ??
    suggest(key, siblings);
  if (near !== undefined) return `is no key of the schema; did you mean ${near}`;
  const home = topLevelHome(key);
  if (home !== undefined) return `is no key here; it belongs under ${home}`;
  if (siblings.length === 0) return "is no key of the schema";
  return `is no key of the schema; known here: ${siblings.join(", ")}`;
}

/** `role_arn` and `RoleArn` are one word to a person. */
function plain(key: string): string {
  return key.replaceAll(/[_-]/g, "").toLowerCase();
}

type Section = Readonly<Record<string, unknown>>;

/**
 * Rules that concern several keys at once: what MFA keys need of each other, and limits of STS. They
 * look at what is there, valid or not, so that a person sees them together with the schema's problems.
 */
export function checkRules(value: unknown): Problem[] {
  const role = sectionOf(value, "AssumeRole");
  const command = sectionOf(value, "MFA")["command"];
  return [
    ...checkSource(value),
    ...checkWebIdentity(value),
    ...checkSessionToken(value),
    ...checkOtherConfig(value),
    ...checkPartition(value),
    ...checkMfa(value, command),
    ...checkPolicySize(role),
    ...checkKeyPair(sectionOf(value, "STS"), "STS"),
    ...checkKeyPair(sectionOf(value, "Session"), "Session"),
  ];
}

/** What works but is probably not meant. */
export function findWarnings(value: unknown): Problem[] {
  const hasCommand = sectionOf(value, "MFA")["command"] !== undefined;
  const ignored = ["AssumeRole", "GetSessionToken"].filter(
    (name) => hasCommand && sectionOf(value, name)["TokenCode"] !== undefined,
  );
  return [
    ...ignored.map((name) => problem([name, "TokenCode"], "is ignored, because MFA.command gives the code")),
    ...findSlips(value),
  ];
}

/** By how regions are called; a new one is called so, too. */
const REGION =
  /^(?:[a-z]{2}|us-gov|us-iso[bf]?|eu-isoe|eusc-[a-z]{2})-(?:(?:north|south)?(?:east|west)|north|south|central)-\d{1,2}$/;

/** What AWS refuses, and another maker's STS may take. */
function findSlips(value: unknown): Problem[] {
  if (sectionOf(value, "STS")["endpoint_url"] !== undefined) return [];
  const { RoleArn: role, DurationSeconds: duration } = sectionOf(value, "AssumeRole");
  const regions = ["STS", "Session"].filter((name) => {
    const region = sectionOf(value, name)["region_name"];
    return typeof region === "string" && !REGION.test(region);
  });
  return [
    ...(typeof role === "string" && role.endsWith("/")
      ? [problem(["AssumeRole", "RoleArn"], "ends with a slash, and no role's name does")]
      : []),
    ...(typeof duration === "number" && duration < SHORTEST_DURATION
      ? [problem(["AssumeRole", "DurationSeconds"], `is below ${SHORTEST_DURATION} seconds, which AWS refuses`)]
      : []),
    ...regions.map((name) => problem([name, "region_name"], "is not called as AWS calls its regions, like eu-west-1")),
  ];
}

/** Whose credentials: those of a role, or of a profile as they are. */
function checkSource(value: unknown): Problem[] {
  if (
    !isMapping(value) ||
    ["AssumeRole", "GetSessionToken", "WebIdentity", "Source"].some((name) => value[name] !== undefined)
  )
    return [];
  const session = sectionOf(value, "Session");
  if (session["profile_name"] === undefined) return [problem(["AssumeRole"], "is required")];
  const keys = ["STS", "Session"].filter((name) => sectionOf(value, name)["aws_access_key_id"] !== undefined);
  return keys.map((name) => problem([name, "aws_access_key_id"], "is no source of a config without AssumeRole"));
}

/** By how a region's name begins; all others are of the partition `aws`. */
const PARTITIONS: readonly (readonly [RegExp, string])[] = [
  [/^cn-/, "aws-cn"],
  [/^us-gov-/, "aws-us-gov"],
  [/^us-iso-/, "aws-iso"],
  [/^us-isob-/, "aws-iso-b"],
  [/^eu-isoe-/, "aws-iso-e"],
  [/^us-isof-/, "aws-iso-f"],
  [/^eusc-/, "aws-eusc"],
];

/** A role is assumed in its own partition alone: STS of another does not know it. */
function checkPartition(value: unknown): Problem[] {
  const arn = sectionOf(value, "AssumeRole")["RoleArn"];
  const sts = sectionOf(value, "STS");
  const section = sts["region_name"] === undefined ? "Session" : "STS";
  const region = sectionOf(value, section)["region_name"];
  // Another maker's STS has what regions it likes.
  if (typeof arn !== "string" || typeof region !== "string" || sts["endpoint_url"] !== undefined) return [];
  const partition = PARTITIONS.find(([pattern]) => pattern.test(region))?.[1] ?? "aws";
  if (arn.startsWith(`arn:${partition}:`)) return [];
  return [
    problem(
      [section, "region_name"],
      `is a region of the partition ${partition}, and AssumeRole.RoleArn is of another`,
    ),
  ];
}

/** What AssumeRoleWithWebIdentity does not take, and what would be another source beside it. */
const BESIDE_TOKEN: readonly (readonly [string, string])[] = [
  ...["ExternalId", "SerialNumber", "TokenCode", "Tags", "TransitiveTagKeys", "SourceIdentity", "ProvidedContexts"].map(
    (key) => ["AssumeRole", key] as const,
  ),
  ["MFA", "command"],
  ["Session", "profile_name"],
  ["Session", "aws_access_key_id"],
  ["STS", "aws_access_key_id"],
];

function checkWebIdentity(value: unknown): Problem[] {
  if (!isMapping(value) || value["WebIdentity"] === undefined) return [];
  const { token_file: file, command } = sectionOf(value, "WebIdentity");
  const isOne = (file === undefined) !== (command === undefined);
  const beside = BESIDE_TOKEN.filter(([section, key]) => sectionOf(value, section)[key] !== undefined);
  return [
    ...(isOne ? [] : [problem(["WebIdentity"], "has either token_file or command")]),
    ...(value["AssumeRole"] === undefined ? [problem(["AssumeRole"], "is required with WebIdentity")] : []),
    ...beside.map((path) => problem([...path], "goes with no WebIdentity")),
  ];
}

/** A session of a user, which is no source's and no role's. */
function checkSessionToken(value: unknown): Problem[] {
  if (!isMapping(value) || value["GetSessionToken"] === undefined) return [];
  const beside = ["AssumeRole", "WebIdentity"].filter((name) => value[name] !== undefined);
  return beside.map((name) => problem([name], "goes with no GetSessionToken: make two configs"));
}

/** What would be another source beside it. */
const BESIDE_SOURCE: readonly (readonly [string, string])[] = [
  ["Session", "profile_name"],
  ["Session", "aws_access_key_id"],
  ["STS", "aws_access_key_id"],
];

function checkOtherConfig(value: unknown): Problem[] {
  if (!isMapping(value) || value["Source"] === undefined) return [];
  const sections = ["GetSessionToken", "WebIdentity"].filter((name) => value[name] !== undefined).map((name) => [name]);
  const keys = BESIDE_SOURCE.filter(([section, key]) => sectionOf(value, section)[key] !== undefined);
  const beside = [...sections, ...keys].map((path) => problem([...path], "goes with no Source"));
  return value["AssumeRole"] === undefined ? [...beside, problem(["AssumeRole"], "is required with Source")] : beside;
}

/** Without a command a person gives the code. A profile may have a device of its own. */
function checkMfa(value: unknown, command: unknown): Problem[] {
  const name = isMapping(value) && value["GetSessionToken"] !== undefined ? "GetSessionToken" : "AssumeRole";
  const device = sectionOf(value, name);
  if (device["SerialNumber"] !== undefined) return [];
  if (command !== undefined && sectionOf(value, "Session")["profile_name"] === undefined)
    return [problem([name, "SerialNumber"], "is required with MFA.command")];
  if (device["TokenCode"] === undefined) return [];
  return [problem([name, "SerialNumber"], `is required with ${name}.TokenCode`)];
}

function checkPolicySize(role: Section): Problem[] {
  const { Policy: policy, PolicyArns: arns } = role;
  if (typeof policy !== "string" || !Array.isArray(arns) || policy.length > POLICY_LIMIT) return [];
  const total = policy.length + arns.join("").length;
  if (total <= POLICY_LIMIT) return [];
  const message = `and PolicyArns have ${total} characters together; STS takes at most ${POLICY_LIMIT}`;
  return [problem(["AssumeRole", "Policy"], message)];
}

function checkKeyPair(section: Section, name: string): Problem[] {
  const problems: Problem[] = [];
  const needs = (key: string, other: string) => {
    if (section[key] !== undefined && section[other] === undefined)
      problems.push(problem([name, other], `is required with ${name}.${key}`));
  };
  needs("aws_access_key_id", "aws_secret_access_key");
  needs("aws_secret_access_key", "aws_access_key_id");
  if (section["aws_access_key_id"] === undefined) needs("aws_session_token", "aws_access_key_id");
  return problems;
}

function problem(path: Path, message: string): Problem {
  return { path, message };
}

function sectionOf(value: unknown, name: string): Section {
  const section = isMapping(value) ? value[name] : undefined;
  return isMapping(section) ? section : {};
}
