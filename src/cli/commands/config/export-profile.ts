// keyhole config export-profile: profiles of ~/.aws/config that ask keyhole, for every AWS tool.
import { openConfigStore } from "../../../config/store.ts";
import { KeyholeError } from "../../../errors.ts";
import { replaceForeign } from "../../../files/writing.ts";
import { defineCommand } from "../../command.ts";
import { nameOption, requireName } from "../../configs/names.ts";
import { openAwsFiles } from "../../reading-in-child.ts";
import type { Config } from "../../../config/config.ts";
import type { Paths } from "../../../paths.ts";
import { DEFAULT_PROFILE, parseSharedConfig, type SharedConfig } from "../../../sources/resolve/profile.ts";
import { formatProcess } from "../../../text/awsconfig.ts";
import { findBlock, replaceBlock } from "../../configs/marks.ts";

export default defineCommand({
  meta: {
    name: "config export-profile",
    description: "Print, or write, a profile for ~/.aws/config that asks keyhole",
  },
  examples: ["keyhole config export-profile dev", "keyhole config export-profile --all --write"],
  where: "host",
  args: {
    name: nameOption,
    all: { type: "boolean", description: "A profile for every config, and none for others" },
    write: { type: "boolean", description: "Write to ~/.aws/config, between keyhole's marks" },
  },
  notes: [
    "What stands outside of the marks stays as it is; the file as it was is kept beside it, as",
    "config.keyhole-backup.",
  ],
  async run(context) {
    const { args, ui, output, settings, host, environment } = context;
    if (args.all && args.name !== undefined)
      throw new KeyholeError("usage", "NAME and --all exclude each other", "keyhole config export-profile --help");
    const store = openConfigStore(settings.paths.configDir);
    const name = args.all ? undefined : await requireName(args.name, context);
    const { config: path, texts, complaint, refusals } = await openAwsFiles(context);
    for (const refusal of refusals) throw refusal;
    const outside = profilesOutside(texts);
    const wanted = (candidates: readonly string[]): Exported[] =>
      candidates.flatMap((each) => {
        const exported = { name: each, config: store.parse(each).config };
        const refusal = exportRefusal(each, exported.config, outside);
        if (refusal === undefined) return [exported];
        const message = `no profile for config ${each}: ${refusal}`;
        if (each === name) throw new KeyholeError("config-exists", message, `keyhole config rename ${each} NEW`);
        ui.warn(message);
        return [];
      });
    const words = exportWords(host.command, settings.paths, environment["HOME"]);
    const known = store.list();
    const kept = exportedNames(texts[0]).filter((each) => known.includes(each));
    const chosen = name === undefined ? known : [name];
    if (!args.write) return output.line(formatProfiles(wanted(chosen), words, outside).trimEnd());
    if (path === undefined) throw new KeyholeError("usage", "HOME is not set, nor AWS_CONFIG_FILE", "export HOME=~");
    if (complaint !== undefined)
      throw new KeyholeError(
        "invalid-config",
        `the AWS CLI refuses ${path}, so nothing is written: ${complaint}`,
        "aws configure list",
      );
    const sections = formatProfiles(wanted([...new Set([...(args.all ? [] : kept), ...chosen])]), words, outside);
    const changed = withProfiles(texts[0], sections);
    if (changed === texts[0]) return ui.notice(`${path} has them already`);
    replaceForeign(path, texts[0], changed);
    ui.notice(`wrote ${path}`);
  },
});

/** The block of `config export-profile`. */
const PROFILES = "profiles";

/** What stands outside of the block, with the credentials file. */
function profilesOutside([config, credentials]: readonly [string, string]): SharedConfig {
  const { before, after } = findBlock(config, PROFILES);
  return parseSharedConfig(before + after, credentials);
}

/** The configs whose profiles stand in the block. */
function exportedNames(config: string): string[] {
  const { block = "" } = findBlock(config, PROFILES);
  return [...block.matchAll(/^\[profile ([\w-]+)\]/gm)].map(([, name]) => name!);
}

/** Why a config has no profile of its name; undefined where it may have one. */
function exportRefusal(name: string, { Session }: Config, outside: SharedConfig): string | undefined {
  if (outside.profiles.has(name)) return "there is a profile of that name";
  return Session?.profile_name === name ? "it takes its credentials from the profile of that name" : undefined;
}

interface Exported {
  readonly name: string;
  readonly config: Config;
}

/** The sections, in the order of their names. @throws KeyholeError `usage` for a path that cannot be said */
function formatProfiles(configs: readonly Exported[], words: readonly string[], outside: SharedConfig): string {
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
function exportWords(command: readonly string[], paths: Paths, userHome: string | undefined): readonly string[] {
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
function withProfiles(config: string, sections: string): string {
  return replaceBlock(config, PROFILES, sections);
}
