// What `config export-profile` writes: for each config a profile of ~/.aws/config that asks keyhole.
import type { Config } from "../../config/config.ts";
import type { Paths } from "../../paths.ts";
import { DEFAULT_PROFILE, parseSharedConfig, type SharedConfig } from "../../sources/resolve/profile.ts";
import { formatProcess } from "../../text/awsconfig.ts";
import { findBlock, replaceBlock } from "./marks.ts";

/** The block of `config export-profile`. */
const PROFILES = "profiles";

/** What stands outside of the block, with the credentials file. */
export function profilesOutside([config, credentials]: readonly [string, string]): SharedConfig {
  const { before, after } = findBlock(config, PROFILES);
  return parseSharedConfig(before + after, credentials);
}

/** The configs whose profiles stand in the block. */
export function exportedNames(config: string): string[] {
  const { block = "" } = findBlock(config, PROFILES);
  return [...block.matchAll(/^\[profile ([\w-]+)\]/gm)].map(([, name]) => name!);
}

/** Why a config has no profile of its name; undefined where it may have one. */
export function exportRefusal(name: string, { Session }: Config, outside: SharedConfig): string | undefined {
  if (outside.profiles.has(name)) return "there is a profile of that name";
  return Session?.profile_name === name ? "it takes its credentials from the profile of that name" : undefined;
}

export interface Exported {
  readonly name: string;
  readonly config: Config;
}

/** The sections, in the order of their names. @throws KeyholeError `usage` for a path that cannot be said */
export function formatProfiles(configs: readonly Exported[], words: readonly string[], outside: SharedConfig): string {
  const sections = configs
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, config }) => {
      const region = regionOf(config, outside);
      const lines = [`[profile ${name}]`, formatProcess([...words, "-n", name])];
      if (region !== undefined && /^[a-z0-9-]+$/.test(region)) lines.push(`region = ${region}`);
      return lines.map((line) => `${line}\n`).join("");
    });
  return sections.length === 0
    ? ""
    : `# keyhole config export-profile writes what is here anew.\n${sections.join("\n")}`;
}

function regionOf({ STS, Session }: Config, { profiles }: SharedConfig): string | undefined {
  const source = profiles.get(Session?.profile_name ?? DEFAULT_PROFILE);
  return STS?.region_name ?? Session?.region_name ?? source?.get("region");
}

/** The words that print a config's credentials, but for its name; with what another shell would not know. */
export function exportWords(command: readonly string[], paths: Paths, userHome: string | undefined): readonly string[] {
  const { home, socket, configDir, defaultConfigDir } = paths;
  const isUsual = home === `${userHome}/.keyhole` && socket === `${home}/sock/daemon.sock`;
  return [
    ...command,
    ...(isUsual ? [] : ["--socket-path", socket]),
    "export",
    "--format",
    "credential-process",
    ...(configDir === defaultConfigDir ? [] : ["--config-dir", configDir]),
  ];
}

/** The whole file with these sections. */
export function withProfiles(config: string, sections: string): string {
  return replaceBlock(config, PROFILES, sections);
}
