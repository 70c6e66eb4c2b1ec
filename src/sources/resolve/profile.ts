// A requester's shared config files, and what they say of profiles.
import type { Config } from "../../config/config.ts";
import { parseIni } from "./ini.ts";
import type { SourceEnvironment } from "../source.ts";
import { splitWords } from "../../text/quoting.ts";

export type Settings = ReadonlyMap<string, string>;
type Sections = ReadonlyMap<string, Settings>;

export interface SharedConfig {
  /** Config and credentials file merged; where both set a key, the credentials file wins, as in the CLI. */
  readonly profiles: Sections;
  /** What the credentials file alone says: its keys come before other sources that those of the config file come after. */
  readonly credentials: Sections;
  /** The `[services NAME]` sections. */
  readonly services: Sections;
  /** The `[sso-session NAME]` sections. */
  readonly signIns: Sections;
}

/** The profile that is used where none is named. */
export const DEFAULT_PROFILE = "default";

/** The profile that was named: the config's, else the requester's environment's. */
export function namedProfile(config: Config, environment: SourceEnvironment): string | undefined {
  return config.Session?.profile_name ?? environment["AWS_PROFILE"] ?? environment["AWS_DEFAULT_PROFILE"];
}

/** The config and the credentials file; undefined where nothing says where they are. */
export function sharedPaths(environment: SourceEnvironment): [string | undefined, string | undefined] {
  return [
    pathOf(environment, "AWS_CONFIG_FILE", "config"),
    pathOf(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
  ];
}

/** @param config @param credentials the texts of the two files; empty for one that is not there */
export function parseSharedConfig(config: string, credentials: string): SharedConfig {
  const profiles = new Map<string, Settings>();
  const services = new Map<string, Settings>();
  const signIns = new Map<string, Settings>();
  for (const [header, settings] of parseIni(config)) {
    const [kind, name, ...rest] = splitWords(header) ?? [];
    if (name === undefined && kind === DEFAULT_PROFILE && !profiles.has(kind)) profiles.set(kind, settings);
    if (name === undefined || rest.length > 0) continue;
    if (kind === "services") services.set(name, settings);
    else if (kind === "sso-session") signIns.set(name, settings);
    else if (kind === "profile") profiles.set(name, settings);
  }
  const own = parseIni(credentials);
  for (const [name, settings] of own) profiles.set(name, new Map([...(profiles.get(name) ?? []), ...settings]));
  return { profiles, credentials: own, services, signIns };
}

/** What the files say of these profiles, and of those that they name: a hash, because it may be keys. */
export function digestOf({ profiles, credentials, services, signIns }: SharedConfig, names: readonly string[]): string {
  const all = new Set(names);
  for (const name of all) {
    const source = profiles.get(name)?.get("source_profile");
    if (source !== undefined) all.add(source);
  }
  const said = [...all].map((name) => {
    const own = profiles.get(name);
    const sections = [
      own,
      credentials.get(name),
      services.get(own?.get("services") ?? ""),
      signIns.get(own?.get("sso_session") ?? ""),
    ];
    return [name, sections.map((section) => (section === undefined ? null : [...section]))];
  });
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(said)).digest("base64");
}

/** The keys that say which sign-in it is; how its servers are reached, the profile that was asked for says. */
const SIGN_IN_KEY = /^(?:sso_\w+|login_session)$/;

/**
 * The sign-in of a profile, for a reader that knows fewer names than the AWS CLI: a section's name stands there as the
 * SDK has it after reading one. It is the default profile there.
 *
 * @param profile the one that has the sign-in @param outer the one that was asked for, whose source it is
 */
export function textOfSignIn({ profiles, services, signIns }: SharedConfig, profile: string, outer: string): string {
  const [own, asked] = [profile, outer].map((name) => [...(profiles.get(name) ?? [])]);
  const settings = new Map([
    ...asked!.filter(([key]) => !SIGN_IN_KEY.test(key)),
    ...own!.filter(([key]) => SIGN_IN_KEY.test(key)),
  ]);
  const [service, signIn] = [settings.get("services"), settings.get("sso_session")];
  return [
    textOfSection(DEFAULT_PROFILE, settings),
    textOfSection(`services.${service}`, services.get(service ?? "")),
    textOfSection(`sso-session.${signIn}`, signIns.get(signIn ?? "")),
  ].join("");
}

function textOfSection(header: string, settings: Settings = new Map<string, string>()): string {
  const lines = [...settings].map(([key, value]) => {
    const [parent = "", nested] = key.split(".", 2);
    return nested === undefined ? `${key} = ${value}\n` : `${parent} =\n  ${nested} = ${value}\n`;
  });
  return `[${header}]\n${lines.join("")}`;
}

function pathOf(environment: SourceEnvironment, variable: string, base: string): string | undefined {
  const home = environment["HOME"];
  const path = environment[variable] ?? (home === undefined ? undefined : `${home}/.aws/${base}`);
  return path === undefined ? undefined : expandHome(path, environment);
}

/** A leading `~/`, as the CLI has it for the names of files. */
export function expandHome(path: string, environment: SourceEnvironment): string {
  const home = environment["HOME"];
  return path.startsWith("~/") && home !== undefined ? `${home}${path.slice(1)}` : path;
}
