// What this shell and ~/.aws/config make of keyhole.
import { realpathSync } from "node:fs";
import { openConfigStore } from "../../config/store.ts";
import { suggest } from "../../text/suggest.ts";
import { quotePosix } from "../../text/quoting.ts";
import { version } from "../../version.ts";
import { compiledExecutable } from "../where.ts";
import { keyholeProcessOf, lookBehind, may } from "./files.ts";
import { ok, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./machines.ts";

/** Variables that come before a profile's `credential_process`; the others of `rivals` only go with one of them. */
const WINNERS = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_BEARER_TOKEN_BEDROCK",
] as const;

export function checkShell({ environment }: Pick<HostMachine, "environment">): readonly Verdict[] {
  // The id alone is what keyhole remembers of the shell outside of this one.
  const hasKeys = Boolean(environment["AWS_SECRET_ACCESS_KEY"]);
  const set = WINNERS.filter((name) => environment[name] && (name !== "AWS_ACCESS_KEY_ID" || hasKeys));
  if (set.length === 0) return [ok("no variable wins over credential_process")];
  const verb = set.length === 1 ? "wins" : "win";
  return [warning(`${set.join(", ")} of this shell ${verb} over credential_process`, `unset ${set.join(" ")}`)];
}

/** Profiles whose `credential_process` is keyhole: at a place where there is none, or for a config that there is not. */
export function checkProcesses(machine: HostMachine): readonly Verdict[] {
  const processes = [...machine.shared.profiles].flatMap(([profile, settings]) => {
    const process = keyholeProcessOf(settings.get("credential_process") ?? "");
    return process === undefined ? [] : [{ profile, ...process }];
  });
  if (processes.length === 0) return [];
  const configs = openConfigStore(machine.settings.paths.configDir, machine.uid).list();
  const wrong = processes.flatMap(({ profile, executable, config }) => {
    const found = findExecutable(executable, machine);
    if (found === undefined)
      return [
        problem(
          `profile '${profile}' runs ${executable}, which is not there`,
          setProcess(profile, machine, config ?? "NAME"),
        ),
      ];
    if (!may(found, "execute")) {
      return [problem(`profile '${profile}' runs ${found}, which may not be run`, `chmod +x ${quotePosix(found)}`)];
    }
    if (config === undefined || configs.includes(config)) return [];
    const near = suggest(config, configs);
    const fix = near === undefined ? `keyhole config add -n ${quotePosix(config)}` : setProcess(profile, machine, near);
    return [problem(`profile '${profile}' asks for config ${config}, which does not exist`, fix)];
  });
  return verdicts(wrong, `${processes.length} of the profiles ask keyhole`);
}

function setProcess(profile: string, { command }: HostMachine, config: string): string {
  const process = [...command, "export -f credential-process -n", config].join(" ");
  return `aws configure set credential_process ${quotePosix(process)} --profile ${quotePosix(profile)}`;
}

function findExecutable(name: string, { environment }: HostMachine): string | undefined {
  if (name.includes("/")) return lookBehind(name) === undefined ? undefined : name;
  return Bun.which(name, { PATH: environment["PATH"] ?? "" }) ?? undefined;
}

/** What `keyhole` means in this shell. */
export async function checkOwnExecutable({
  environment,
  command,
  versionOf,
}: HostMachine): Promise<readonly Verdict[]> {
  const own = compiledExecutable(command);
  const found = Bun.which("keyhole", { PATH: environment["PATH"] ?? "" });
  if (own === undefined || found === null) return [];
  if (resolve(found) === resolve(own)) return [ok(`keyhole on the PATH is this one`)];
  const other = await versionOf(found);
  if (other === version) return [ok(`${found} on the PATH is keyhole ${version}, too`)];
  const what = other === undefined ? "no keyhole that runs" : `keyhole ${other}`;
  return [warning(`${found} on the PATH is ${what}, this is ${own} ${version}`, `ls -l ${quotePosix(found)}`)];
}

function resolve(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
