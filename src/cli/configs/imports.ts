// What `config import` makes of profiles: for each a config, or the reason why there is none. Nothing is asked, run or
// written here, and no key is copied: a config names the profile, which keeps what it has.
import { dumpYaml } from "../../config/edit.ts";
import { isConfigName } from "../../config/name.ts";
import { inspectConfig, parseConfig } from "../../config/parse.ts";
import { KeyholeError } from "../../errors.ts";
import type { Paths } from "../../paths.ts";
import { type Place, planPlace, profileRefusal, type Sources } from "../../sources/resolve/profile-plan.ts";
import type { Settings } from "../../sources/resolve/profile.ts";
import { type KeyholeProcess, keyholeProcessOf } from "../doctor/files.ts";

/** What becomes of a profile. */
export interface Import {
  readonly profile: string;
  /** Undefined for one that is skipped. */
  readonly config: ImportedConfig | undefined;
  /** What the config is, or why there is none. */
  readonly what: string;
}

interface ImportedConfig {
  readonly name: string;
  readonly text: string;
  readonly source: ConfigSource | undefined;
}

/** The config that a role's source credentials are from. */
export interface ConfigSource {
  readonly config: string;
  /** The profile that is imported as this config; undefined where the config has to be there. */
  readonly profile: string | undefined;
}

interface ImportOptions {
  readonly prefix: string;
  /** The directory that is imported into, and the daemon that serves it. */
  readonly paths: Pick<Paths, "configDir" | "defaultConfigDir" | "socket">;
  /** Whether a profile may be imported whose credentials are a command's. */
  readonly trustsCommands: boolean;
}

/** In the order of the profiles. */
export function planImports(sources: Sources, profiles: readonly string[], options: ImportOptions): Import[] {
  const names = configNames(profiles, options.prefix);
  return profiles.map((profile) => {
    try {
      const { value, what, source } = configOf(sources, profile, names, options);
      return { profile, config: { name: names.get(profile)!, text: dumpYaml(value), source }, what };
    } catch (error) {
      if (error instanceof KeyholeError) return skipped(profile, error.message);
      throw error;
    }
  });
}

function skipped(profile: string, what: string): Import {
  return { profile, config: undefined, what };
}

/**
 * Profiles' names as configs': what these may not have becomes a hyphen. One that is a config's name already keeps it; of
 * those that become the same, the later ones are counted.
 */
export function configNames(profiles: readonly string[], prefix: string): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  const names = new Map<string, string>();
  for (const profile of profiles.toSorted((a, b) => Number(plainName(a) !== a) - Number(plainName(b) !== b))) {
    const base = prefix + plainName(profile);
    let name = base.slice(0, LONGEST_NAME);
    for (let count = 2; taken.has(name); count += 1) name = `${base.slice(0, LONGEST_NAME - 8)}-${count}`;
    taken.add(name);
    names.set(profile, name);
  }
  return names;
}

/** Characters of a config's name (config/name.ts). */
const LONGEST_NAME = 128;

/** `büro` becomes `buro`, `team a/Admin` becomes `team-a-Admin`. */
function plainName(profile: string): string {
  // One that begins with a hyphen would have to be said as `-n=--help`.
  if (isConfigName(profile) && !profile.startsWith("-")) return profile;
  const ascii = profile.normalize("NFKD").replaceAll(/\p{M}+/gu, "");
  return ascii.replaceAll(/[^\w-]+/g, "-").replaceAll(/^-+|-+$/g, "") || "profile";
}

interface Imported {
  readonly value: Readonly<Record<string, unknown>>;
  readonly what: string;
  readonly source: ConfigSource | undefined;
}

type Names = ReturnType<typeof configNames>;

/** @throws KeyholeError that says why there is none */
function configOf(sources: Sources, profile: string, names: Names, options: ImportOptions): Imported {
  const settings = settingsOf(sources, profile);
  const place = planPlace(sources, profile);
  // What names the machine's may be meant for another one; what names nothing is not.
  const refusal = settings.has("credential_source") ? undefined : profileRefusal(sources, profile);
  if (refusal !== undefined) throw refusal;
  if (place?.kind === "process") {
    const asked = keyholeProcessOf(place.command);
    if (asked !== undefined) {
      const source = sourceOf(asked, settings, place.profile === settings.get("source_profile"), names, options);
      return roleOnConfig(settings, source);
    }
    if (!options.trustsCommands)
      throw new KeyholeError("usage", "its credentials come from a command: --trust-commands imports it");
  }
  const role = roleOf(sources, profile, settings);
  if (role !== undefined) return role;
  const value = { Session: { profile_name: profile } };
  return { value, what: `the profile as it is${describe(place)}`, source: undefined };
}

/**
 * The config that a role's source profile asks keyhole for; of one that is a role itself, the config it becomes.
 *
 * @param isDirect whether the source profile has no role between
 */
function sourceOf(
  { config, configDir, socket }: KeyholeProcess,
  settings: Settings,
  isDirect: boolean,
  names: Names,
  { paths }: ImportOptions,
): ConfigSource {
  const profile = settings.get("source_profile");
  if (profile === undefined || !settings.has("role_arn")) throw skip("it calls keyhole itself");
  if (!isDirect) {
    const name = names.get(profile);
    if (name === undefined) throw skip(`its source, profile '${profile}', is not imported`);
    return { config: name, profile };
  }
  const isElsewhere =
    (configDir ?? paths.defaultConfigDir) !== paths.configDir || (socket ?? paths.socket) !== paths.socket;
  if (config === undefined || isElsewhere)
    throw skip("its source calls keyhole for what is no config of this directory");
  return { config, profile: undefined };
}

function roleOnConfig(settings: Settings, source: ConfigSource): Imported {
  const unsaid = WAY.find((key) => settings.has(key));
  if (unsaid !== undefined) throw skip(`its source calls keyhole, and a config has no word for ${unsaid}`);
  const [section, region] = [roleSection(settings), settings.get("region")];
  const value = {
    AssumeRole: section,
    Source: source.config,
    ...(region !== undefined && { STS: { region_name: region } }),
  };
  parseConfig(dumpYaml(value), undefined);
  return { value, what: `${section["RoleArn"] as string} from config ${source.config}`, source };
}

/** The role that a profile assumes, in a config's own words; undefined where these say less, or something else. */
function roleOf(sources: Sources, profile: string, settings: Settings): Imported | undefined {
  const roleArn = settings.get("role_arn");
  const source = settings.get("source_profile");
  if (roleArn === undefined || source === undefined || !isPlainRole(sources, profile, source)) return undefined;
  const session = { profile_name: source, region_name: settings.get("region") };
  const value = { AssumeRole: roleSection(settings), Session: defined(session) };
  if (!("config" in inspectConfig(dumpYaml(value)))) return undefined;
  return { value, what: `${roleArn} from profile ${source}`, source: undefined };
}

function roleSection(settings: Settings): Readonly<Record<string, unknown>> {
  const seconds = settings.get("duration_seconds") ?? "";
  return defined({
    RoleArn: settings.get("role_arn"),
    RoleSessionName: settings.get("role_session_name"),
    ExternalId: settings.get("external_id"),
    // What is no number the AWS CLI ignores.
    DurationSeconds: /^\d+$/.test(seconds) ? Number(seconds) : undefined,
    SerialNumber: settings.get("mfa_serial"),
  });
}

function skip(why: string): KeyholeError {
  return new KeyholeError("credential-loop", why);
}

/** Settings of the way to STS that a config has no words for; a role's are those of its own profile. */
const WAY = [
  "ca_bundle",
  "endpoint_url",
  "ignore_configured_endpoint_urls",
  "services",
  "sts_regional_endpoints",
  "use_dualstack_endpoint",
  "use_fips_endpoint",
];

/** Whether the role assumed from its source's own credentials is all that the profile is. */
function isPlainRole(sources: Sources, profile: string, source: string): boolean {
  const [own, theirs] = [settingsOf(sources, profile), settingsOf(sources, source)];
  if (own.has("web_identity_token_file") || WAY.some((key) => own.has(key) || theirs.has(key))) return false;
  // As a source it counts with its keys, by itself with its role.
  return !(theirs.has("role_arn") && (theirs.has("aws_access_key_id") || theirs.has("aws_secret_access_key")));
}

function describe(place: Place | undefined): string {
  if (place === undefined) return "";
  if (place.kind === "sso") return `: SSO, ${place.of}`;
  return WORDS[place.kind] ?? `: credentials of the ${place.kind}`;
}

const WORDS: Readonly<Partial<Record<Place["kind"], string>>> = {
  login: ": aws login",
  process: ": a command's credentials",
  keys: ": keys, which stay where they are",
  "web-identity": ": a web identity",
};

function settingsOf({ shared }: Sources, profile: string): Settings {
  return shared.profiles.get(profile) ?? new Map<string, string>();
}

function defined(section: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined));
}
