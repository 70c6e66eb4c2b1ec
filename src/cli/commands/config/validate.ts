// keyhole config validate: every problem of one config, of all, or of a text that is not saved yet.
import { formatProblem, inspectConfig, type TextProblem } from "../../../config/parse.ts";
import { type ConfigStore, openConfigStore } from "../../../config/store.ts";
import { KeyholeError } from "../../../errors.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { changeOptions, readSource, refusalOfProfile } from "../../configs/text.ts";
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
}

/** With the profile that it names as its source. */
interface Inspected extends Finding {
  readonly profile?: string | undefined;
}

/** A profile that gives no credentials is a problem of the config that names it. */
async function withSource(
  { profile, ...finding }: Inspected,
  context: Pick<CommandContext, "host" | "environment">,
): Promise<Finding> {
  if (profile === undefined) return finding;
  const refusal = await refusalOfProfile(profile, context);
  if (refusal === undefined) return finding;
  const problem = { line: undefined, message: `Session.profile_name: ${refusal.message}` };
  return { ...finding, valid: false, problems: [problem] };
}

export default defineCommand({
  meta: { name: "config validate", description: "Check configs without asking STS" },
  examples: ["keyhole config validate", "keyhole config validate --from-file ci.yaml"],
  where: "host",
  args,
  async run(context) {
    const { output } = context;
    const found = await inspect(context);
    const findings = await Promise.all(found.map((finding) => withSource(finding, context)));
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
  if (!("config" in inspection)) return { name, valid: false, problems: inspection.problems, warnings: [] };
  const { config, warnings } = inspection;
  return { name, valid: true, problems: [], warnings, profile: config.Session?.profile_name };
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
    return { name, valid: false, problems: [{ line: undefined, message: error.message + advice }], warnings: [] };
  }
}

function describe({ name, problems, warnings }: Finding): string {
  const lines = [...problems.map(formatProblem), ...warnings.map((warning) => `warning: ${warning}`)];
  if (problems.length === 0) lines.unshift("ok");
  return lines.map((line) => `${name}: ${line}`).join("\n");
}
