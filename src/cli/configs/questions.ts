// A config by questions: what every config needs, and any other parameter that one picks. Every answer is checked when it
// is given.
import { parseValue } from "../../config/change.ts";
import { checkField } from "../../config/check.ts";
import { valueAt } from "../../config/edit.ts";
import { formatPath, kindAt, type Path } from "../../config/fields.ts";
import { isMapping } from "../../config/mapping.ts";
import { inspectConfig } from "../../config/parse.ts";
import { KeyholeError } from "../../errors.ts";
import type { Choice, Ui } from "../ui.ts";

/** What stands in a config file, valid or not. */
export type ConfigValue = Readonly<Record<string, unknown>>;

/** Not shown while it is typed, nor afterwards; an empty answer keeps it. */
const SECRET: ReadonlySet<string> = new Set(["aws_secret_access_key", "aws_session_token"]);

const KEYS = {
  aws_access_key_id: "keys of its own, instead of a profile's",
  aws_secret_access_key: "the secret of these keys",
  aws_session_token: "the token of these keys, if they have one",
  aws_account_id: "the account of these keys",
};

/** What each parameter is, in the order in which they are offered. */
const MEANINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  AssumeRole: {
    RoleArn: "the role to assume",
    RoleSessionName: "what CloudTrail calls the session",
    DurationSeconds: "how long credentials live: 3600 if left out",
    ExternalId: "the word that the role's owner asks for",
    SerialNumber: "the MFA device whose code the role asks for",
    TokenCode: "one code of that device, which works once",
    PolicyArns: "managed policies that take rights away",
    Policy: "a policy, as JSON, that takes rights away",
    Tags: "session tags, KEY=VALUE",
    TransitiveTagKeys: "tags that a role assumed next keeps",
    SourceIdentity: "who it is for, kept by all roles assumed next",
    ProvidedContexts: "assertions of a trusted token issuer",
  },
  Session: {
    profile_name: "the profile of ~/.aws that assumes the role",
    region_name: "the region of programs that have none",
    timeout: "seconds for a credential_process, or 60",
    ...KEYS,
  },
  MFA: {
    command: "a program that prints a code",
    timeout: "seconds for that program, or 60",
  },
  STS: {
    region_name: "the region whose STS is asked",
    endpoint_url: "another STS than AWS's",
    verify: "a file of certificates to trust, or false",
    use_ssl: "false for http",
    api_version: "2011-06-15, the only one",
    ...KEYS,
  },
  GetSessionToken: {
    DurationSeconds: "how long a session of a user's keys lives",
    SerialNumber: "the MFA device whose code it asks for",
    TokenCode: "one code of that device, which works once",
  },
  WebIdentity: {
    token_file: "a file with a token, instead of a profile",
    command: "a program that prints such a token",
    timeout: "seconds for that program, or 60",
  },
  Sign: {
    endpoint_url: "where a grant that signs sends its requests",
    use_fips_endpoint: "true for FIPS endpoints",
    use_dualstack_endpoint: "true for endpoints with IPv6",
  },
  Meta: { description: "a note for people" },
};

const TOP: Readonly<Record<string, string>> = {
  Source: "another config, which assumes the role",
  pin: "true to renew also while no program asks",
};

/** Every parameter of the schema, with what it is. */
export function listParameters(): { readonly path: Path; readonly meaning: string }[] {
  const sections = Object.entries(MEANINGS).flatMap(([section, meanings]) =>
    Object.entries(meanings).map(([key, meaning]) => ({ path: [section, key], meaning })),
  );
  return [...sections, ...Object.entries(TOP).map(([key, meaning]) => ({ path: [key], meaning }))];
}

const NO_PROFILE = "(none of these)";

/**
 * What a new config needs: a profile, a role, or both; the rest only where it is asked for.
 *
 * @param profiles those of ~/.aws
 * @throws KeyholeError `interrupted`
 */
export async function askNew(ui: Ui, profiles: readonly Choice[]): Promise<ConfigValue> {
  const none = { value: NO_PROFILE, details: ["what this shell finds: keys of its environment, of this machine"] };
  const picked =
    profiles.length === 0 ? NO_PROFILE : await ui.askChoice("Which profile's credentials?", [...profiles, none]);
  const source = picked === NO_PROFILE ? {} : { Session: { profile_name: picked } };
  const role = await askRole(ui, picked === NO_PROFILE ? undefined : picked);
  const value = role === undefined ? source : { AssumeRole: { RoleArn: role }, ...source };
  return (await ui.askYesNo("More? Region, duration, external id, MFA, tags and so on", false))
    ? askMore(ui, value)
    : value;
}

/** Undefined for a profile as it is. */
async function askRole(ui: Ui, profile: string | undefined): Promise<unknown> {
  const path = ["AssumeRole", "RoleArn"];
  const question = `Role to assume, its ARN${profile === undefined ? "" : ` (empty: ${profile} as it is)`}`;
  for (;;) {
    const text = (await ui.askText(question)).trim();
    if (text === "" && profile !== undefined) return undefined;
    const answer = read(path, text);
    if ("value" in answer) return answer.value;
    ui.warn(answer.problem);
  }
}

const DONE = "(done)";

/**
 * Asks for one parameter after the other that is picked, until that is enough and all fits together.
 *
 * @param initial what is there: shown as the answer to each question
 * @throws KeyholeError `interrupted`
 */
export async function askMore(ui: Ui, initial: ConfigValue): Promise<ConfigValue> {
  let value = initial;
  for (;;) {
    const choices = listParameters().map(({ path, meaning }) => ({
      value: formatPath(path),
      details: [describe(path, valueAt(value, path), meaning)],
    }));
    const picked = await ui.askChoice("Which parameter?", [{ value: DONE, details: ["save it"] }, ...choices]);
    if (picked !== DONE) {
      value = await askParameter(ui, picked, value);
      continue;
    }
    // JSON is YAML: the same check as for a file.
    const inspection = inspectConfig(JSON.stringify(value));
    if ("config" in inspection) return value;
    for (const { message } of inspection.problems) ui.warn(message);
  }
}

function show(path: Path, current: unknown): string {
  if (current === undefined) return "";
  if (SECRET.has(String(path.at(-1)))) return "***";
  return typeof current === "string" ? current : JSON.stringify(current);
}

function describe(path: Path, current: unknown, meaning: string): string {
  return current === undefined ? meaning : `${show(path, current)} (${meaning})`;
}

async function askParameter(ui: Ui, picked: string, value: ConfigValue): Promise<ConfigValue> {
  const { path } = listParameters().find((each) => formatPath(each.path) === picked)!;
  const current = valueAt(value, path);
  const answer = kindAt(path) === "list" ? await askList(ui, path, current) : await askValue(ui, path, current);
  const [section = "", key] = path.map(String);
  if (key === undefined) return withoutEmpty({ ...value, [section]: answer });
  const there = isMapping(value[section]) ? value[section] : {};
  return withoutEmpty({ ...value, [section]: withoutEmpty({ ...there, [key]: answer }) });
}

/** One value; empty is undefined, unless it is a secret that is there. */
async function askValue(ui: Ui, path: Path, current: unknown): Promise<unknown> {
  const isSecret = SECRET.has(String(path.at(-1)));
  const shown = show(path, current);
  const note = !isSecret ? "" : current === undefined ? " (not shown)" : " (not shown; empty keeps it)";
  const options = { isSecret, ...(isSecret || shown === "" ? {} : { initial: shown }) };
  for (;;) {
    const text = (await ui.askText(`${formatPath(path)}${note}`, options)).trim();
    if (text === "") return isSecret ? current : undefined;
    const answer = read(path, text);
    if ("value" in answer) return answer.value;
    ui.warn(answer.problem);
  }
}

/** A list, item by item until an empty answer, which keeps at once what is there. */
async function askList(ui: Ui, path: Path, current: unknown): Promise<unknown> {
  const items: unknown[] = [];
  for (;;) {
    const end = items.length === 0 && current !== undefined ? "keeps what is there" : "ends the list";
    const text = (await ui.askText(`${formatPath(path)}, ${itemForm(path)} (empty ${end})`)).trim();
    if (text === "") return items.length === 0 ? current : items;
    const answer = read(path, text);
    if ("value" in answer && Array.isArray(answer.value)) items.push(...(answer.value as unknown[]));
    else if ("problem" in answer) ui.warn(answer.problem);
  }
}

function itemForm(path: Path): string {
  if (path.at(-1) === "Tags") return "KEY=VALUE";
  return path.at(-1) === "ProvidedContexts" ? "{ProviderArn: …, ContextAssertion: …}" : "one item";
}

function read(path: Path, text: string): { readonly value: unknown } | { readonly problem: string } {
  try {
    const value = parseValue(path, text);
    const problem = checkField(path, value);
    return problem === undefined ? { value } : { problem: `${formatPath(path)} ${problem}` };
  } catch (error) {
    if (error instanceof KeyholeError) return { problem: error.message };
    throw error;
  }
}

function withoutEmpty(value: ConfigValue): ConfigValue {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => !isEmpty(item)));
}

function isEmpty(item: unknown): boolean {
  return item === undefined || (isMapping(item) && Object.keys(item).length === 0);
}
