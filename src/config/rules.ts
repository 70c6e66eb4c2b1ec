// Rules that concern several keys of a config at once. They look at what is there, valid or not, so that a person
// sees them together with the schema's problems.
import type { Problem } from "./check.ts";
import type { Path } from "./fields.ts";
import { isMapping } from "./mapping.ts";
import { POLICY_LIMIT } from "./schema.ts";

type Section = Readonly<Record<string, unknown>>;

/** What MFA keys need of each other, as elhaz checks it, and limits of STS that span keys. */
export function checkRules(value: unknown): Problem[] {
  const role = sectionOf(value, "AssumeRole");
  const command = sectionOf(value, "MFA")["command"];
  return [
    ...checkSource(value),
    ...checkMfa(role, command),
    ...checkPolicySize(role),
    ...checkKeyPair(sectionOf(value, "STS"), "STS"),
    ...checkKeyPair(sectionOf(value, "Session"), "Session"),
  ];
}

/** What works but is probably not meant. */
export function findWarnings(value: unknown): Problem[] {
  const role = sectionOf(value, "AssumeRole");
  if (role["TokenCode"] === undefined || sectionOf(value, "MFA")["command"] === undefined) return [];
  return [{ path: ["AssumeRole", "TokenCode"], message: "is ignored, because MFA.command gives the code" }];
}

/** Whose credentials: those of a role, or of a profile as they are. */
function checkSource(value: unknown): Problem[] {
  if (!isMapping(value) || value["AssumeRole"] !== undefined) return [];
  const session = sectionOf(value, "Session");
  if (session["profile_name"] === undefined) return [problem(["AssumeRole"], "is required")];
  const keys = ["STS", "Session"].filter((name) => sectionOf(value, name)["aws_access_key_id"] !== undefined);
  return keys.map((name) => problem([name, "aws_access_key_id"], "is no source of a config without AssumeRole"));
}

function checkMfa(role: Section, command: unknown): Problem[] {
  const serial = role["SerialNumber"] !== undefined;
  const code = role["TokenCode"] !== undefined;
  if (command !== undefined && !serial)
    return [problem(["AssumeRole", "SerialNumber"], "is required with MFA.command")];
  if (serial && !code && command === undefined)
    return [problem(["AssumeRole", "SerialNumber"], "needs MFA.command or AssumeRole.TokenCode beside it")];
  if (code && !serial) return [problem(["AssumeRole", "SerialNumber"], "is required with AssumeRole.TokenCode")];
  return [];
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
