// Whose environment counts. This is the one rule; sessions.ts and keeper.ts obey it.
//
// | what                                   | who decides                                                                    |
// | -------------------------------------- | ------------------------------------------------------------------------------ |
// | what the config says                   | the config, always                                                             |
// | the source, where it leaves that open  | who asks first, for as long as it works: see `Session.standing`                |
// | ... that never gave credentials        | is not remembered: the next one's counts                                       |
// | ... that gave some                     | stays; given up when keys or profile are gone or refused for good, and the last credentials ended |
// | ... after a restart                    | what gave some comes back; keys come back with any environment that has their id |
// | `daemon add`                           | switches to the source of its shell, once that gives credentials               |
// | directory of configs                   | the request: a session for each                                                |
// | STS endpoint, where the config has none | the request: a session for each, which is not kept over a restart, nor renewed for nobody |
// | way to AWS (proxies, certificates)     | who asked last, where there are no credentials, or the last attempt failed     |
// | region of a child                      | the child's environment, then the config, then the profile                     |
// | a grant                                | what it was made with, and nobody after that: never its holder                  |
import { resolve } from "node:path";
import type { Config, ConfigReader } from "../config/config.ts";
import { checkConfigName } from "../configname.ts";
import { ENDPOINT_VARIABLES } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { formatSessionName } from "../sessionname.ts";
import type { SourceEnvironment } from "../sources/source.ts";

/** Which session a requester means, and what of its environment that session gets. */
export interface Selection {
  /** The session's name. */
  readonly name: string;
  readonly environment: SourceEnvironment;
}

/** Which config a requester means. */
export interface Wanted {
  readonly config: string;
  /** Absolute; undefined for the default one. */
  readonly directory: string | undefined;
}

/** By the name of a session without an endpoint. @param directory as a requester names it @throws KeyholeError `usage` */
export function wantedOf(config: string, directory: string, defaultDirectory: string): Wanted {
  if (!directory.startsWith("/")) throw new KeyholeError("usage", "the directory of configs is not an absolute path");
  const path = resolve(directory);
  return { config: checkConfigName(config), directory: path === resolve(defaultDirectory) ? undefined : path };
}

/**
 * @param configs by the names of sessions
 * @throws KeyholeError what ConfigReader.read throws; `invalid-config` for an endpoint that is none
 */
export function select(
  configs: ConfigReader,
  { config, directory }: Wanted,
  environment: SourceEnvironment,
): Selection {
  const stored = configs.read(formatSessionName({ config, directory, endpoint: undefined }));
  const endpoint = endpointOf(stored.config, environment);
  const name = formatSessionName({ config, directory, endpoint });
  return { name, environment: selectionOf(stored.config, environment) };
}

/** Without the variables that this config gives no say. */
export function selectionOf(config: Config, environment: SourceEnvironment): SourceEnvironment {
  return endpointOf(config, environment) === undefined ? withoutEndpoint(environment) : environment;
}

const [STS, ALL, IGNORE] = ENDPOINT_VARIABLES;

/** The STS that a variable names, where the config leaves it open: as it stands in the session's name. */
export function endpointOf(config: Config, environment: SourceEnvironment): string | undefined {
  if (config.STS?.endpoint_url !== undefined) return undefined;
  // A profile's endpoint counts for everybody, unless a variable says for one that it does not.
  if (environment[IGNORE]?.toLowerCase() === "true") return "no configured endpoint";
  const variable = environment[STS] === undefined ? ALL : STS;
  const value = environment[variable];
  if (value === undefined) return undefined;
  // It stands in lists and logs, where no password may.
  if (!/^https?:\/\/[^@?#]+$/.test(value) || URL.parse(value) === null)
    throw new KeyholeError("invalid-config", `${variable} is no URL of a server, or has a user, a query or a fragment`);
  return value;
}

function withoutEndpoint(environment: SourceEnvironment): SourceEnvironment {
  const names: readonly string[] = ENDPOINT_VARIABLES;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !names.includes(name)));
}
