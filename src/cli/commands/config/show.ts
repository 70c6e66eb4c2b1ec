// keyhole config get, list and meta: what is saved, as JSON.
import { existsSync } from "node:fs";
import { isMapping } from "../../../config/mapping.ts";
import { listConfigs, listMisnamed, openConfigStore } from "../../../config/store.ts";
import { defineCommand } from "../../command.ts";
import { nameOption, requireName } from "../../configs/names.ts";
import { formatJson, jsonOption } from "../../answers.ts";

export const get = defineCommand({
  meta: { name: "config get", description: "Print a config as JSON" },
  examples: ["keyhole config get dev", "keyhole config get dev --obscure"],
  where: "host",
  args: {
    name: nameOption,
    obscure: { type: "boolean", alias: "o", description: "Print *** for ARNs, ids and keys" },
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui, settings } = context;
    const store = openConfigStore(settings.paths.configDir);
    const name = await requireName(args.name, context);
    if (!store.exists(name) && (await ui.isInteractive())) {
      // elhaz's offer; a No is an answer, not a failure.
      if (!(await ui.askYesNo(`There is no config ${name}. Create it?`, false))) return;
      const add = (await import("./add.ts")).default;
      await add.run({
        ...context,
        args: {
          name,
          set: [],
          force: false,
          editor: false,
          "from-file": undefined,
          "role-arn": undefined,
          profile: undefined,
        },
      });
    }
    const { config } = store.parse(name);
    output.line(formatJson(args.obscure ? obscureConfig(config) : config));
  },
});

export const list = defineCommand({
  meta: { name: "config list", description: "Print the names of the configs" },
  examples: ["keyhole config list", "keyhole config list --json"],
  where: "host",
  args: { json: jsonOption },
  async run({ args, output, ui, settings }) {
    const names = listConfigs(settings.paths.configDir);
    for (const name of listMisnamed(settings.paths.configDir)) {
      const hint = "rename it: a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _";
      ui.warn(`${name}.yaml is not taken for a config`, hint);
    }
    if (args.json) return output.line(formatJson(names));
    if (names.length === 0) {
      const { configDir } = settings.paths;
      const isMissing = settings.isConfigDirNamed && !existsSync(configDir);
      ui.notice(`no configs found${isMissing ? `: there is no directory ${configDir}` : ""}`);
      return;
    }
    output.line(names.join("\n"));
  },
});

export const meta = defineCommand({
  meta: { name: "config meta", description: "Print a config's description as JSON" },
  examples: ["keyhole config meta dev", "keyhole config meta dev --json"],
  where: "host",
  args: { name: nameOption, json: jsonOption },
  async run(context) {
    const { args, output, ui, settings } = context;
    const name = await requireName(args.name, context);
    const { Meta: found } = openConfigStore(settings.paths.configDir).parse(name).config;
    if (found !== undefined) return output.line(formatJson(found));
    if (args.json) return output.line("{}");
    ui.notice(`no metadata found for config ${name}`);
  },
});

/** What `--obscure` hides: elhaz's list. Policy, MFA.command, Tags and SourceIdentity stay visible, as they do there. */
const HIDDEN: ReadonlySet<string> = new Set([
  "RoleArn",
  "ExternalId",
  "SerialNumber",
  "TokenCode",
  "PolicyArns",
  "aws_access_key_id",
  "aws_secret_access_key",
  "aws_session_token",
  "aws_account_id",
  "access_key",
  "secret_key",
  "token",
  "AccessKeyId",
  "SecretAccessKey",
  "SessionToken",
  "Account",
  "Arn",
  "UserId",
]);

/** A copy with `***` for every value, of whatever kind, whose key is on the list. */
export function obscureConfig(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(obscureConfig);
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, HIDDEN.has(key) ? "***" : obscureConfig(item)]),
  );
}
