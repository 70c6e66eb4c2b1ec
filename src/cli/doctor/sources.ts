// Whether configs are good, where their source credentials come from as far as files tell, without running a program, and
// whether endpoints and proxies can be reached.
import type { Config } from "../../config/config.ts";
import { definedVariables, ENDPOINT_VARIABLES } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { quotePosix } from "../../text/quoting.ts";
import { profileRefusal } from "../../sources/resolve/profile-plan.ts";
import { namedProfile, type Settings } from "../../sources/resolve/profile.ts";
import { asVerdict, ok, problem, type Verdict, verdicts, warning } from "./finding.ts";
import { describeConfigSource } from "../configs/source-description.ts";
import type { HostMachine } from "./machines.ts";
import { keyholeProcessOf } from "./files.ts";
import { parseSessionName } from "../../config/name.ts";
import { type Proxies, proxiesOf } from "../../sources/sts/proxy.ts";
import { formatProblem, inspectConfig } from "../../config/parse.ts";
import { ownSource } from "../../config/sources.ts";
import { type ConfigStore, openConfigStore } from "../../config/store.ts";

export function checkSourceProfile(machine: HostMachine): readonly Verdict[] {
  const unread = machine.refusals.map(({ message, hint }) => problem(message, hint ?? "aws configure list"));
  if (unread.length > 0) return unread;
  const sources = { shared: machine.shared, environment: definedVariables(machine.environment) };
  const known: string[] = [];
  const wrong = readConfigs(machine).flatMap(([name, config]) => {
    try {
      known.push(`${name}: ${describeConfigSource(config, sources)}`);
      // Keys of this shell come before a profile that it names, and the daemon wants both.
      const profile = isElsewhere(config) ? undefined : namedProfile(config, sources.environment);
      const refusal = profile === undefined ? undefined : profileRefusal(sources, profile);
      if (refusal !== undefined) throw refusal;
      return [];
    } catch (error) {
      if (!(error instanceof KeyholeError)) throw error;
      // What there is without a profile, a shell may have that has the variables.
      const isNamed = !isElsewhere(config) && namedProfile(config, sources.environment) !== undefined;
      return isNamed ? [problem(`${name}: ${error.message}`, remedyFor(error, config))] : [];
    }
  });
  if (wrong.length > 0 || known.length === 0)
    return verdicts(wrong, "every profile that a config names gives credentials");
  const more = known.length > MOST_NAMED ? [ok(`${known.length - MOST_NAMED} more: keyhole config validate`)] : [];
  return [...known.slice(0, MOST_NAMED).map(ok), ...more];
}

/** Configs whose sources are named. */
const MOST_NAMED = 12;

function isElsewhere(config: Config): boolean {
  return ownSource(config) !== undefined || config.Source !== undefined;
}

function remedyFor({ hint = "aws configure list" }: KeyholeError, config: Config): string {
  return config.Session?.profile_name === undefined ? "unset AWS_PROFILE AWS_DEFAULT_PROFILE" : hint;
}

/** A config whose source is keyhole, which asks for the same config again. */
export function checkSourceLoop(machine: HostMachine): readonly Verdict[] {
  const configs = new Map(readConfigs(machine));
  const wrong = [...configs.keys()].flatMap((name) => {
    const path = followSource(name, configs, machine);
    if (path.length === 1 || path.at(-1) !== name) return [];
    const way = path.length === 2 ? "itself" : path.slice(1).join(", then ");
    const edit = `keyhole config update --editor -n ${quotePosix(name)}`;
    return [problem(`${name}: its source credentials come from ${way}: a loop`, edit)];
  });
  return verdicts(wrong, "no config waits for itself");
}

/** The names of configs, each the source of the one before it; the last one is `name` again where that is a loop. */
function followSource(name: string, configs: ReadonlyMap<string, Config>, machine: HostMachine): string[] {
  const path = [name];
  for (;;) {
    const config = configs.get(path.at(-1)!);
    const next = config && sourceConfigOf(config, machine);
    if (next === undefined) return path;
    const isKnown = path.includes(next);
    path.push(next);
    if (isKnown) return path;
  }
}

/** The one that it names, or the config that a profile's `credential_process` asks keyhole for, also of the profile that another one is based on. */
function sourceConfigOf(config: Config, machine: HostMachine): string | undefined {
  if (config.Source !== undefined) return config.Source;
  if (ownSource(config) !== undefined) return undefined;
  const seen = new Set<string>();
  // A profile of the environment that asks keyhole counts as not set.
  let profile = config.Session?.profile_name;
  while (profile !== undefined && !seen.has(profile)) {
    seen.add(profile);
    const settings: Settings | undefined = machine.shared.profiles.get(profile);
    // Keys of a profile come before its credential_process.
    if (settings === undefined || settings.has("aws_secret_access_key")) return undefined;
    const process = settings.get("credential_process");
    if (process !== undefined) return keyholeProcessOf(process)?.config;
    profile = settings.get("source_profile");
  }
  return undefined;
}

/** Requests of a shell go through its own proxies, if it names any, else through the daemon's; so do renewals. */
export function checkProxies({ daemon, environment }: HostMachine): readonly Verdict[] {
  if (!("status" in daemon) || daemon.proxies === undefined) return [];
  const theirs = proxiesOf(Object.fromEntries(daemon.proxies.map(({ name, value }) => [name, value])));
  const [own, other] = [describe(proxiesOf(environment)), describe(theirs)];
  const wrong =
    own === other ? [] : [warning(`the daemon has ${other}, and this shell has ${own}`, "keyhole daemon restart")];
  return verdicts(wrong, `the daemon has ${other}, as this shell`);
}

function describe({ https, http }: Proxies): string {
  const hosts = new Set([https, http].flatMap((proxy) => (proxy === undefined ? [] : [hostOf(proxy)])));
  return hosts.size === 0 ? "no proxy" : `the proxy ${[...hosts].join(" and ")}`;
}

/** Without user and password. */
function hostOf(proxy: string): string {
  return proxy
    .replace(/^[a-z0-9]+:\/\//i, "")
    .replace(/^.*@/, "")
    .replace(/\/.*$/, "");
}

/** An STS that is not AWS's gives credentials that AWS does not know. */
export function checkEndpoints(machine: HostMachine): readonly Verdict[] {
  const { daemon, environment } = machine;
  const set = ENDPOINT_VARIABLES.filter((name) => environment[name]);
  const open = readConfigs(machine).filter(([, { STS }]) => STS?.endpoint_url === undefined);
  const sessions = "status" in daemon ? daemon.status.sessions : [];
  const wrong = [
    ...(set.length === 0 || open.length === 0
      ? []
      : [
          warning(
            `${set.join(", ")} of this shell: another STS is asked for ${open.length} of the configs`,
            `unset ${set.join(" ")}`,
          ),
        ]),
    ...sessions.flatMap(({ config: name }) => {
      const endpoint = parseSessionName(name)?.endpoint;
      if (endpoint === undefined) return [];
      return [
        warning(
          `the session ${name} is of an STS that one shell names, by a variable or a file`,
          `keyhole daemon remove -n ${quotePosix(name)}`,
        ),
      ];
    }),
  ];
  return verdicts(wrong, "no variable names another STS");
}

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
function readConfigs({ settings, uid }: Pick<HostMachine, "settings" | "uid">): [string, Config][] {
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
