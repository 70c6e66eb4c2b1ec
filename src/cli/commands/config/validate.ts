// keyhole config validate: every problem of one config, of all, or of a text that is not saved yet.
import { formatProblem, inspectConfig, type TextProblem } from "../../../config/parse.ts";
import { type ConfigStore, openConfigStore } from "../../../config/store.ts";
import type { Config } from "../../../config/config.ts";
import { KeyholeError } from "../../../errors.ts";
import { type AwsFiles, openAwsFiles } from "../../reading-in-child.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { describeConfigSource } from "../../configs/source-description.ts";
import { changeOptions, readSource } from "../../configs/text.ts";
import { formatJson, jsonOption } from "../../answers.ts";
import { nameOption } from "../../configs/names.ts";

const args = {
  name: { ...nameOption, description: "Name of the config; without it all are checked" },
  all: { type: "boolean", description: "Check all configs, as without NAME" },
  "from-file": changeOptions["from-file"],
  json: jsonOption,
} as const;

interface Finding {
  readonly name: string;
  readonly valid: boolean;
  readonly problems: readonly TextProblem[];
  readonly warnings: readonly string[];
  /** Where its credentials come from; undefined where that is open here. */
  readonly source: string | undefined;
}

interface Inspected extends Omit<Finding, "source"> {
  readonly config: Config | undefined;
}

/** A profile that gives no credentials is a problem of the config that names it; what a shell selects is not. */
function withSource({ config, ...finding }: Inspected, { sources, refusals }: AwsFiles): Finding {
  if (config === undefined) return { ...finding, source: undefined };
  try {
    const isNamed = config.Session?.profile_name !== undefined;
    if (isNamed && refusals[0] !== undefined) throw refusals[0];
    return { ...finding, source: describeConfigSource(config, sources) };
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    if (config.Session?.profile_name === undefined) return { ...finding, source: undefined };
    const problem = { line: undefined, message: `Session.profile_name: ${error.message}` };
    return { ...finding, valid: false, problems: [problem], source: undefined };
  }
}

export default defineCommand({
  meta: { name: "config validate", description: "Check configs without asking STS" },
  examples: ["keyhole config validate", "keyhole config validate --from-file ci.yaml"],
  where: "host",
  args,
  async run(context) {
    const { output } = context;
    const [found, files] = await Promise.all([inspect(context), openAwsFiles(context)]);
    const findings = found.map((finding) => withSource(finding, files));
    if (context.args.json) output.line(formatJson(findings));
    else for (const finding of findings) output.line(describe(finding));
    return findings.every(({ valid }) => valid) ? 0 : 1;
  },
});

async function inspect(context: CommandContext<typeof args>): Promise<Inspected[]> {
  const { name, all, "from-file": file } = context.args;
  if ([name !== undefined, all, file !== undefined].filter(Boolean).length > 1)
    throw new KeyholeError("usage", "NAME, --all and --from-file exclude each other", "keyhole config validate --help");
  if (file !== undefined) {
    const source = await readSource(file, context);
    return [inspectText(source.name ?? "stdin", source.text)];
  }
  const store = openConfigStore(context.settings.paths.configDir);
  if (name !== undefined) {
    const finding = inspectText(name, store.readText(name));
    return [finding.valid ? inspectStored(store, name) : finding];
  }
  const names = store.list();
  if (names.length === 0) context.ui.notice("no configs found");
  return names.map((each) => inspectStored(store, each));
}

function inspectText(name: string, text: string): Inspected {
  const inspection = inspectConfig(text);
  if (!("config" in inspection))
    return { name, valid: false, problems: inspection.problems, warnings: [], config: undefined };
  const { config, warnings } = inspection;
  return { name, valid: true, problems: [], warnings, config };
}

/** A file that may not be read is a problem of its own, and no reason to leave the others unchecked. */
function inspectStored(store: ConfigStore, name: string): Inspected {
  try {
    const finding = inspectText(name, store.readText(name));
    // With the configs that it takes its credentials from.
    if (finding.valid) store.read(name);
    return finding;
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    const advice = error.hint === undefined ? "" : ` (${error.hint})`;
    const problems = [{ line: undefined, message: error.message + advice }];
    return { name, valid: false, problems, warnings: [], config: undefined };
  }
}

function describe({ name, problems, warnings, source }: Finding): string {
  const lines = [...problems.map(formatProblem), ...warnings.map((warning) => `warning: ${warning}`)];
  if (problems.length === 0) lines.unshift(source === undefined ? "ok" : `ok, ${source}`);
  return lines.map((line) => `${name}: ${line}`).join("\n");
}
