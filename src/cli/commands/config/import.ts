// keyhole config import: a config for each profile of ~/.aws.
import { checkConfigName } from "../../../config/name.ts";
import { type ConfigStore, openConfigStore } from "../../../config/store.ts";
import { inspectConfig } from "../../../config/parse.ts";
import { KeyholeError } from "../../../errors.ts";
import { replaceForeign } from "../../../files/writing.ts";
import { formatJson, formatTable, jsonOption } from "../../answers.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { type ConfigSource, type Import, planImports } from "../../configs/imports.ts";
import { saveText } from "../../configs/text.ts";
import { findBlock, replaceBlock } from "../../configs/marks.ts";
import { type AwsFiles, openAwsFiles } from "../../reading-in-child.ts";
import type { Sources } from "../../../sources/resolve/profile-plan.ts";
import { parseSharedConfig } from "../../../sources/resolve/profile.ts";
import { dryRunOption } from "../../programs/tools.ts";

const args = {
  profile: {
    type: "string",
    multiple: true,
    valueHint: "PROFILE",
    description: "A profile to import; may be repeated",
  },
  all: { type: "boolean", description: "Import every profile" },
  "sso-session": {
    type: "string",
    valueHint: "SESSION",
    description: "Import every account and role that a sign-in gives, with a profile for each in ~/.aws/config",
  },
  prefix: { type: "string", valueHint: "TEXT", description: "What the configs' names begin with" },
  "trust-commands": { type: "boolean", description: "Import profiles whose credentials a command prints, too" },
  "dry-run": dryRunOption,
  json: jsonOption,
} as const;

type Context = CommandContext<typeof args>;

interface Row {
  readonly profile: string;
  /** Undefined where there is none. */
  readonly config: string | undefined;
  readonly result: "new" | "unchanged" | "skipped";
  readonly what: string;
}

export default defineCommand({
  meta: { name: "config import", description: "Make configs of the profiles of ~/.aws" },
  examples: ["keyhole config import --all --dry-run", "keyhole config import --profile work --prefix aws-"],
  where: "host",
  args,
  notes: [
    "No key is copied: a config names its profile. What is there is not replaced, and a profile",
    "that asks keyhole is skipped; a role on top of one gets that config as its Source.",
  ],
  async run(context) {
    const { args: given, output, settings, ui } = context;
    if (given.prefix !== undefined) checkConfigName(`${given.prefix}x`);
    const files = await openAwsFiles(context);
    for (const refusal of files.refusals) throw refusal;
    const isToWrite = given["sso-session"] !== undefined && !given["dry-run"];
    if (files.complaint !== undefined) {
      const message = `the AWS CLI refuses ${files.config}: ${files.complaint}`;
      if (isToWrite) throw new KeyholeError("invalid-config", message, "aws configure list");
      ui.warn(message);
    }
    const { sources, profiles } = await choose(context, files);
    const { paths } = settings;
    const options = { prefix: given.prefix ?? "", paths, trustsCommands: given["trust-commands"] };
    const store = openConfigStore(paths.configDir);
    const imports = planImports(sources, profiles, options);
    const rows = importAll(given["dry-run"] ? withoutSaving(store) : store, imports, context);
    if (given.json) output.line(formatJson(rows));
    else if (rows.length === 0) ui.notice("no profiles found");
    else
      output.line(formatTable(rows.map(({ profile, config = "-", result, what }) => [profile, config, result, what])));
    return given.profile.length > 0 && rows.some(({ result }) => result === "skipped") ? 1 : 0;
  },
});

/** @throws KeyholeError `usage`, `no-source-credentials` for a profile that is not there; and what accounts.ts throws */
async function choose(
  context: Context,
  files: AwsFiles,
): Promise<{ readonly sources: Sources; readonly profiles: readonly string[] }> {
  const { profile: named, all, "sso-session": session } = context.args;
  if ([all, named.length > 0, session !== undefined].filter(Boolean).length !== 1)
    throw new KeyholeError(
      "usage",
      "one of --profile, --all and --sso-session is wanted",
      "keyhole config import --all --dry-run",
    );
  const { sources } = files;
  if (session !== undefined) return chooseRoles(session, context, files);
  const known = [...sources.shared.profiles.keys()];
  const missing = named.find((profile) => !known.includes(profile));
  if (missing !== undefined)
    throw new KeyholeError("no-source-credentials", `there is no profile '${missing}'`, "aws configure list-profiles");
  return { sources, profiles: all ? known : [...new Set(named)] };
}

/** Roles have profiles first: the AWS CLI, and what reads a config's source, know no other way to name one. */
async function chooseRoles(session: string, context: Context, { sources, config: path, texts }: AwsFiles) {
  const { listAccountRoles, profilesOf } = await import("../../configs/sso-accounts.ts");
  const roles = await listAccountRoles(session, sources, context);
  const label = `sso-session ${session}`;
  const { before, block = "", after } = findBlock(texts[0], label);
  const [others, written] = [parseSharedConfig(before + after, texts[1]), parseSharedConfig(block, "")];
  const { text, profiles } = profilesOf(session, roles, others, written);
  const changed = replaceBlock(texts[0], label, text);
  if (changed !== texts[0] && path !== undefined && !context.args["dry-run"]) {
    replaceForeign(path, texts[0], changed);
    context.ui.notice(`wrote ${path}`);
  }
  return { sources: { ...sources, shared: parseSharedConfig(changed, texts[1]) }, profiles };
}

type Store = Pick<ConfigStore, "exists" | "save" | "readText">;

/** One that refuses as the other does, and remembers what it has taken. */
function withoutSaving(store: ConfigStore): Store {
  const taken = new Map<string, string>();
  return {
    exists: (name) => store.exists(name),
    readText: (name) => store.readText(name),
    save: (name, text) => {
      store.check(name, text, taken);
      taken.set(name, text);
    },
  };
}

/** In the order of the profiles; a config is saved after its source. */
function importAll(store: Store, imports: readonly Import[], context: Context): Row[] {
  const rows = new Map<string, Row>();
  const isThere = ({ config, profile }: ConfigSource): boolean =>
    profile === undefined
      ? store.exists(config) || [...rows.values()].some((row) => row.config === config)
      : rows.get(profile)?.config === config;
  for (let before = -1; before < rows.size;) {
    before = rows.size;
    for (const each of imports) {
      const source = each.config?.source;
      if (!rows.has(each.profile) && (source === undefined || isThere(source)))
        rows.set(each.profile, importOne(store, each, context));
    }
  }
  return imports.map(
    ({ profile, config }) =>
      rows.get(profile) ?? skipped(profile, `there is no config ${config!.source!.config}, its source`),
  );
}

function importOne(store: Store, { profile, config, what }: Import, context: Context): Row {
  if (config === undefined) return skipped(profile, what);
  const { name, text } = config;
  if (!store.exists(name)) {
    try {
      saveText(store, name, { text, name: undefined }, false, context);
    } catch (error) {
      if (!(error instanceof KeyholeError)) throw error;
      return skipped(profile, error.message);
    }
    return { profile, config: name, result: "new", what };
  }
  if (saysTheSame(store, name, text)) return { profile, config: name, result: "unchanged", what };
  return skipped(profile, `there is a config ${name} that says something else: --prefix gives other names`);
}

function skipped(profile: string, what: string): Row {
  return { profile, config: undefined, result: "skipped", what };
}

function saysTheSame(store: Store, name: string, text: string): boolean {
  const [there, ours] = [inspectConfig(store.readText(name)), inspectConfig(text)];
  return "config" in there && "config" in ours && Bun.deepEquals(there.config, ours.config, true);
}
