// A requester's shared config files, and what they say of one profile.
import { readFile } from "node:fs/promises";
import type { Config } from "../config/config.ts";
import { parseIni, type Sections } from "./ini.ts";
import type { SourceEnvironment } from "./source.ts";

type Settings = ReadonlyMap<string, string>;

export interface SharedConfig {
  /** Config and credentials file merged; where both set a key, the credentials file wins, as in the SDKs. */
  readonly profiles: ReadonlyMap<string, Settings>;
  /** The `[services NAME]` sections. */
  readonly services: ReadonlyMap<string, Settings>;
}

/** The profile that is used where nobody names one. */
export const DEFAULT_PROFILE = "default";

/** The profile somebody named: the config's, else the requester's environment's. */
export function namedProfile(config: Config, environment: SourceEnvironment): string | undefined {
  return config.Session?.profile_name ?? environment["AWS_PROFILE"] ?? environment["AWS_DEFAULT_PROFILE"];
}

/** Reads both files of the requester. A file that is not there or cannot be read is empty, as in the SDKs. */
export async function readSharedConfig(environment: SourceEnvironment): Promise<SharedConfig> {
  const [config, credentials] = await Promise.all([
    readSections(pathOf(environment, "AWS_CONFIG_FILE", "config")),
    readSections(pathOf(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")),
  ]);
  const profiles = new Map<string, Map<string, string>>();
  const services = new Map<string, Settings>();
  for (const [header, settings] of config) {
    const [, kind, name] = /^(profile|services)\s+["']?([^"']+)["']?$/.exec(header) ?? [];
    if (kind === "services" && name !== undefined) services.set(name, settings);
    else if (kind === "profile" && name !== undefined) profiles.set(name, settings);
    else if (header === DEFAULT_PROFILE && !profiles.has(header)) profiles.set(header, settings);
  }
  for (const [name, settings] of credentials) profiles.set(name, new Map([...(profiles.get(name) ?? []), ...settings]));
  return { profiles, services };
}

function pathOf(environment: SourceEnvironment, variable: string, base: string): string | undefined {
  const home = environment["HOME"];
  const path = environment[variable] ?? (home === undefined ? undefined : `${home}/.aws/${base}`);
  return path?.startsWith("~/") && home !== undefined ? `${home}${path.slice(1)}` : path;
}

async function readSections(path: string | undefined): Promise<Sections> {
  if (path === undefined) return new Map();
  try {
    return parseIni(await readFile(path, "utf8"));
  } catch {
    return new Map();
  }
}
