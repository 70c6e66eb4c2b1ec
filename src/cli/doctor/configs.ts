// The configs: whether they say what can be assumed, and whether they hold keys.
import type { Config } from "../../config/config.ts";
import { formatProblem, inspectConfig } from "../../config/parse.ts";
import { type ConfigStore, openConfigStore } from "../../config/store.ts";
import { quotePosix } from "../../text/quoting.ts";
import { asVerdict, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./machines.ts";

export function checkConfigs({ settings, uid }: Pick<HostMachine, "settings" | "uid">): readonly Verdict[] {
  const store = openConfigStore(settings.paths.configDir, uid);
  const names = store.list();
  return verdicts(
    names.flatMap((name) => inspect(store, name)),
    `${names.length} valid`,
  );
}

function inspect(store: ConfigStore, name: string): Verdict[] {
  let text: string;
  try {
    text = store.readText(name);
  } catch (error) {
    return [asVerdict(error)];
  }
  const inspection = inspectConfig(text);
  const edit = editOf(name);
  if ("config" in inspection) return inspection.warnings.map((message) => warning(`${name}: ${message}`, edit));
  return inspection.problems.map((each) => problem(`${name}: ${formatProblem(each)}`, edit));
}

/** Keys in a config work, and each reader of the file has them for good. */
export function checkConfigKeys(machine: Pick<HostMachine, "settings" | "uid">): readonly Verdict[] {
  const wrong = readConfigs(machine).flatMap(([name, { STS, Session }]) => {
    const section = STS?.aws_secret_access_key !== undefined ? "STS" : "Session";
    if ((STS?.aws_secret_access_key ?? Session?.aws_secret_access_key) === undefined) return [];
    const message = `${name}: its ${section} section holds keys; a profile would keep them out of the file`;
    return [warning(message, editOf(name))];
  });
  return verdicts(wrong, "no config holds keys");
}

/** Those that are valid, by name. */
export function readConfigs({ settings, uid }: Pick<HostMachine, "settings" | "uid">): [string, Config][] {
  const store = openConfigStore(settings.paths.configDir, uid);
  return store.list().flatMap((name) => {
    try {
      return [[name, store.parse(name).config] as [string, Config]];
    } catch {
      // `checkConfigs` says why.
      return [];
    }
  });
}

function editOf(name: string): string {
  return `keyhole config update --editor -n ${quotePosix(name)}`;
}
