// Whose environment counts. This is the one rule, which the sessions obey; rule.test.ts plays it.
//
// | what                               | whose it is                                                         |
// | ---------------------------------- | ------------------------------------------------------------------- |
// | what the config says               | the config's, always                                                |
// | the source, where it is left open  | of the first client, for as long as it works                        |
// | ... one that never gave credentials| is not remembered: the next client's counts                         |
// | ... one that gave some             | stays, until it is lost: see `isLost`                               |
// | ... after a restart                | one that gave some; keys with any environment that has their id     |
// | ... after `daemon add`             | of that shell, once it has given credentials                        |
// | directory of configs               | of the request: a session for each                                  |
// | files of a profile without a config| of the request: a session for each                                  |
// | STS endpoint, where it is left open| of the request: a session for each, not kept over a restart, and    |
// |                                    | not renewed unasked                                                 |
// | ... endpoint, FIPS and dual-stack  | of the client: a session for each file, not kept over a restart     |
// |     of files other than ~/.aws     |                                                                     |
// | proxies and certificates           | of the last client, where the session does not work                 |
// | ... after a restart                | of the next client: they are not kept                               |
// | region of a child                  | of the child's environment, then the config's, then the profile's   |
// | all of a grant                     | as it was made; never of its holder                                 |
import type { Config, ConfigReader, StoredConfig } from "../../config/config.ts";
import { lastSource, ownSource } from "../../config/sources.ts";
import { createConfigReader } from "../../config/store.ts";
import { checkConfigName, configGone, formatSessionName, parseSessionName, profileOf } from "../../config/name.ts";
import { ENDPOINT_VARIABLES, isWayVariable, KEYS_OF_SESSION } from "../../environment.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { sharedPaths } from "../../sources/resolve/profile.ts";
import type { SourceEnvironment } from "../../sources/source.ts";

/** Which session a requester means, and what of its environment that session gets. */
export interface Selection {
  /** The session's name. */
  readonly name: string;
  readonly environment: SourceEnvironment;
}

/** Which config a requester means. */
export interface Wanted {
  readonly config: string;
  /** Absolute; undefined for the default one, and for a profile without a config. */
  readonly directory: string | undefined;
}

/**
 * By the name of a session without an endpoint.
 *
 * @param directory as a requester names it; empty for the default one, whose path a container does not know
 * @throws KeyholeError `usage`
 */
export function wantedOf(config: string, directory: string, defaultDirectory: string): Wanted {
  // Of no directory.
  if (profileOf(config) !== undefined) return { config, directory: undefined };
  if (directory === "") return { config: checkConfigName(config), directory: undefined };
  if (!directory.startsWith("/")) throw new KeyholeError("usage", "the directory of configs is not an absolute path");
  if (directory === defaultDirectory) return { config: checkConfigName(config), directory: undefined };
  // Without an import: a daemon that is asked for no other directory has no need of the module, nor of its memory.
  const { resolve } = require("node:path") as typeof import("node:path");
  const path = resolve(directory);
  return { config: checkConfigName(config), directory: path === resolve(defaultDirectory) ? undefined : path };
}

/**
 * @param configs by the names of sessions
 * @param home of the daemon's user
 * @throws KeyholeError what ConfigReader.read throws; `invalid-config` for an endpoint that is none
 */
export function select(
  configs: ConfigReader,
  wanted: Wanted,
  environment: SourceEnvironment,
  home: string | undefined,
): Selection {
  const { config } = wanted;
  const directory = profileOf(config) === undefined ? wanted.directory : filesOf(environment, home);
  const stored = configs.read(formatSessionName({ config, directory, endpoint: undefined }));
  const endpoint = endpointOf(stored.config, environment);
  const name = formatSessionName({ config, directory, endpoint });
  return { name, environment: selectionOf(stored.config, environment) };
}

/** The same for a requester whose files say how STS is reached (sources/sts/target.ts): no other gets what comes of that. */
export function selectOwn({ name, environment }: Selection, files: string): Selection {
  const identity = parseSessionName(name);
  const endpoint = `as ${files} has it`;
  return { name: identity ? formatSessionName({ ...identity, endpoint }) : name, environment };
}

/** Whether a client of this session need not have what it was made with: neither endpoint nor files of its own. */
export function isOfAllClients(session: string): boolean {
  const { config, endpoint } = parseSessionName(session) ?? { config: session, endpoint: undefined };
  return endpoint === undefined && profileOf(config) === undefined;
}

/** The two files in which a profile is looked up, as they stand in a session's name; undefined for the daemon's user's own. */
function filesOf(environment: SourceEnvironment, home: string | undefined): string | undefined {
  const own = sharedPaths({ ...(home !== undefined && { HOME: home }) });
  const paths = sharedPaths({ ...(home !== undefined && { HOME: home }), ...environment });
  if (Bun.deepEquals(paths, own)) return undefined;
  const { resolve } = process.getBuiltinModule("node:path");
  const [mine, theirs] = [own, paths].map((files) => files.map((path) => resolve(path ?? "/")));
  if (Bun.deepEquals(mine, theirs)) return undefined;
  return theirs!.map((path) => path.replaceAll(/[%:]/g, encodeURIComponent)).join(":");
}

/** Without the variables that this config gives no say. */
export function selectionOf(config: Config, environment: SourceEnvironment): SourceEnvironment {
  return endpointOf(config, environment) === undefined ? withoutEndpoint(environment) : environment;
}

/**
 * Whether what gave credentials is gone, or refused for good: what a person can renew, the network and throttling are no
 * such end, nor is what the role says.
 */
export function isLost(
  { environment, stored }: { readonly environment: SourceEnvironment; readonly stored: StoredConfig },
  { kind, message }: KeyholeError,
): boolean {
  // By now its files say how STS is reached for those who name them.
  if (kind === "no-source-credentials" || kind === "no-such-session") return true;
  if (kind === "aws-refused")
    return /\b(?:InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch)\b/.test(message);
  // Keys in an environment are never renewed.
  return (
    kind === "person-needed" &&
    message.startsWith("ExpiredToken") &&
    environment["AWS_SESSION_TOKEN"] !== undefined &&
    lastSource(stored.config).Session?.profile_name === undefined
  );
}

/** What of a requester's environment is the source, as far as the config leaves it open; by the names of variables. */
function sourceIn(config: Config, environment: SourceEnvironment): Readonly<Record<string, string>> {
  const { Session } = lastSource(config);
  if (isSourceSaid(config)) return {};
  const {
    HOME = "",
    AWS_CONFIG_FILE,
    AWS_SHARED_CREDENTIALS_FILE,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
  } = environment;
  const files = {
    AWS_CONFIG_FILE: AWS_CONFIG_FILE ?? `${HOME}/.aws/config`,
    AWS_SHARED_CREDENTIALS_FILE: AWS_SHARED_CREDENTIALS_FILE ?? `${HOME}/.aws/credentials`,
  };
  if (Session?.profile_name !== undefined) return files;
  // A nested shell has the id alone.
  if (AWS_ACCESS_KEY_ID !== undefined && (AWS_SECRET_ACCESS_KEY ?? environment[KEYS_OF_SESSION]) !== undefined)
    return { AWS_ACCESS_KEY_ID };
  const { AWS_PROFILE = environment["AWS_DEFAULT_PROFILE"] } = environment;
  if (AWS_PROFILE !== undefined) return { AWS_PROFILE, ...files };
  return { ...files, ...pick(environment, (name) => MACHINE.includes(name)) };
}

function isSourceSaid(config: Config): boolean {
  return ownSource(lastSource(config)) !== undefined;
}

/** Without keys that are no source of this config's, whose helper alone may have a use for them. */
export function withoutForeignKeys(config: Config, environment: SourceEnvironment): SourceEnvironment {
  if (!isSourceSaid(config) && lastSource(config).Session?.profile_name === undefined) return environment;
  return pick(environment, (name) => !KEYS.includes(name));
}

const KEYS: readonly string[] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

const MACHINE: readonly string[] = [
  "AWS_ROLE_ARN",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/** Without a profile that was found to call keyhole, as a session's notes say: it counts as not set. */
export function withoutCallers(environment: SourceEnvironment, notes: readonly string[]): SourceEnvironment {
  const callers = notes.flatMap((note) => /^profile '(.*)' calls keyhole itself/s.exec(note)?.[1] ?? []);
  return pick(environment, (name) => !PROFILES.includes(name) || !callers.includes(environment[name] ?? ""));
}

const PROFILES: readonly string[] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];

/** How the source that a requester selects differs from a session's, in words without secrets; undefined where it does not. */
export function describeDifference(
  config: Config,
  own: SourceEnvironment,
  other: SourceEnvironment,
): string | undefined {
  const [mine, theirs] = [sourceIn(config, own), sourceIn(config, other)];
  const names = Object.keys({ ...mine, ...theirs }).filter((name) => mine[name] !== theirs[name]);
  if (names.length === 0) return undefined;
  return `its source is ${describeSource(mine, names)}, and this shell selects ${describeSource(theirs, names)}`;
}

function describeSource(source: Readonly<Record<string, string>>, names: readonly string[]): string {
  const words = names.flatMap((name) => {
    const value = source[name];
    if (value === undefined) return [];
    // A URL may hold a token.
    return name.endsWith("_URI") ? [name] : [`${name}=${value}`];
  });
  return words.length === 0 ? "what there is without a variable" : words.join(" ");
}

/** Whether two environments select alike. PATH finds programs, and what names the way to AWS selects nothing. */
export function selectsTheSame(a: SourceEnvironment, b: SourceEnvironment): boolean {
  return Bun.deepEquals(pick(a, selects), pick(b, selects));
}

function selects(name: string): boolean {
  return name !== "PATH" && !isWayVariable(name);
}

/** One that selects as `own` does, and reaches AWS as `other` does. */
export function withWayOf(own: SourceEnvironment, other: SourceEnvironment): SourceEnvironment {
  return { ...pick(own, (name) => !isWayVariable(name)), ...pick(other, isWayVariable) };
}

function pick(environment: SourceEnvironment, isWanted: (name: string) => boolean): SourceEnvironment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isWanted(name)));
}

const [STS, ALL, IGNORE] = ENDPOINT_VARIABLES;

/** The STS that a variable names, where the config leaves it open: as it stands in the session's name. */
export function endpointOf(config: Config, environment: SourceEnvironment): string | undefined {
  return config.STS?.endpoint_url === undefined ? variableEndpoint(environment) : undefined;
}

function variableEndpoint(environment: SourceEnvironment): string | undefined {
  // A profile's endpoint counts for every client, unless a variable says for one that it does not.
  if (environment[IGNORE]?.toLowerCase() === "true") return "no configured endpoint";
  const variable = environment[STS] === undefined ? ALL : STS;
  const value = environment[variable];
  if (value === undefined) return undefined;
  // It stands in lists and logs, where no password may.
  if (!/^https?:\/\/[^@?#]+$/.test(value) || URL.parse(value) === null)
    throw new KeyholeError(
      "invalid-config",
      `${variable} must be the URL of a server, without a user, a query or a fragment`,
    );
  return value;
}

/** A variable's endpoint of an STS that is not AWS's; undefined where there is none. */
export function foreignEndpoint(environment: SourceEnvironment): string | undefined {
  const endpoint = variableEndpoint(environment);
  const host = endpoint === undefined ? undefined : URL.parse(endpoint)?.hostname;
  return host === undefined || AWS_HOST.test(host) ? undefined : endpoint;
}

const AWS_HOST = /\.(?:amazonaws\.com(?:\.cn)?|api\.aws|amazonwebservices\.com\.cn)$/;

function withoutEndpoint(environment: SourceEnvironment): SourceEnvironment {
  const names: readonly string[] = ENDPOINT_VARIABLES;
  return pick(environment, (name) => !names.includes(name));
}

export interface SessionConfigs extends ConfigReader {
  /** The configs of the default directory that were ever read, the latest last. */
  readonly loaded: ReadonlySet<string>;
  /** Counts them among those that were: a daemon before this one has read them. */
  know(names: Iterable<string>): void;
}

/**
 * The configs that sessions are of, by the sessions' names: of the default directory and of any other. A requester of one
 * that was read, and is gone, is told so, and takes nothing else for it.
 *
 * @param directory the default one
 * @param onLoaded called when one of the default directory is read for the first time
 */
export function createSessionConfigs(directory: string, onLoaded: () => void): SessionConfigs {
  /** What was read last: an addition reads it for the session's name, and again for the session. */
  let latest: { readonly directory: string; readonly stored: StoredConfig } | undefined;
  /** The names of the sources of those that have some, by their paths. */
  const sourcesOf = new Map<string, readonly string[]>();
  const loaded = new Set<string>();
  /** The paths of those of other directories. */
  const elsewhere = new Set<string>();

  const own = createConfigReader(directory);
  const find = (name: string) => {
    const identity = parseSessionName(name);
    const place = identity?.directory ?? directory;
    return (
      identity && { place, reader: place === directory ? own : createConfigReader(place), config: identity.config }
    );
  };

  function readIn(reader: ConfigReader, place: string, config: string): StoredConfig {
    const [used, prefix] = place === directory ? [loaded, ""] : [elsewhere, `${place}/`];
    try {
      const stored = reader.read(config);
      const before = loaded.size;
      for (const name of [config, ...namesOfSources(stored)]) {
        // The latest last.
        used.delete(prefix + name);
        used.add(prefix + name);
      }
      if (loaded.size > before) onLoaded();
      return stored;
    } catch (error) {
      throw used.has(prefix + config) && isErrorOf(error, "no-such-config") ? configGone(config) : error;
    }
  }

  return {
    loaded,
    know: (names) => {
      for (const name of names) loaded.add(name);
    },
    read(name) {
      const profile = profileIn(name);
      // Its files are read when its credentials are renewed: until then a change of them is not seen.
      if (profile !== undefined) return { name, config: { Session: { profile_name: profile } }, revision: name };
      const found = find(name);
      if (found === undefined) return own.read(checkConfigName(name));
      const { place, reader, config } = found;
      const isLatest = latest?.directory === place && latest.stored.name === config;
      if (!isLatest || latest?.stored.revision !== reader.revision(config)) {
        latest = { directory: place, stored: readIn(reader, place, config) };
        const [path, sources] = [`${place}/${config}`, namesOfSources(latest.stored)];
        if (sources.length === 0) sourcesOf.delete(path);
        else sourcesOf.set(path, sources);
      }
      return { ...latest!.stored, name };
    },
    revision(name) {
      const found = find(name);
      if (found === undefined || profileOf(found.config) !== undefined) return found && name;
      const { place, reader, config } = found;
      const file = reader.revision(config);
      const sources = sourcesOf.size === 0 ? undefined : sourcesOf.get(`${place}/${config}`);
      if (file === undefined || sources === undefined) return file;
      return [file, ...sources.map((source) => reader.revision(source))].join(" ");
    },
  };
}

function namesOfSources({ config }: StoredConfig): readonly string[] {
  return (config.sources ?? []).map(({ name }) => name);
}

/** The profile that a session is of, in place of a config. */
function profileIn(session: string): string | undefined {
  return profileOf(parseSessionName(session)?.config ?? "");
}
