// What the daemon last heard of AWS for each session and each grant, and whether the grants can be reached.
import { KeyholeError } from "../../errors.ts";
import { openGrantStore } from "../../grants/store.ts";
import { quotePosix } from "../../text/quoting.ts";
import { parseSessionName, profileOf } from "../../config/name.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import { skewOf } from "../daemon/status.ts";
import { lookAt } from "./files.ts";
import { asVerdict, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./machines.ts";

export function checkSessions({ daemon, now }: HostMachine): readonly Verdict[] {
  if (!("status" in daemon)) return [];
  const { sessions } = daemon.status;
  const atAws = now + skewOf(daemon.status);
  const wrong = sessions.flatMap(({ config, lastError, failures, expiresAt }) => {
    if (lastError === undefined) return [];
    const message = `${config}: ${lastError} (${failures} in a row)`;
    return [levelFor(expiresAt, atAws)(message, whoamiOf(config))];
  });
  const own = sessions.map(({ config }) => config).filter((name) => parseSessionName(name)?.endpoint !== undefined);
  const aside = own.length === 0 ? "" : `; of an STS that one shell names: ${own.join(", ")}`;
  return verdicts(wrong, `${sessions.length} without an error${aside}`);
}

/** The command that asks for a session, in whatever shell. */
function whoamiOf(name: string): string {
  const { config = name, directory, endpoint } = parseSessionName(name) ?? {};
  const variable = endpoint?.startsWith("http") === true ? `AWS_ENDPOINT_URL_STS=${quotePosix(endpoint)} ` : "";
  const profile = profileOf(config);
  if (profile !== undefined) {
    const files = directory?.split(":").map((path) => quotePosix(decodeURIComponent(path))) ?? [];
    const named = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].slice(0, files.length);
    const variables = named.map((each, at) => `${each}=${files[at]} `).join("");
    return `${variable}${variables}keyhole whoami --profile ${quotePosix(profile)}`;
  }
  const option = directory === undefined ? "" : `--config-dir ${quotePosix(directory)} `;
  return `${variable}keyhole ${option}whoami -n ${quotePosix(config)}`;
}

export function checkGrants(machine: HostMachine): readonly Verdict[] {
  const { daemon, settings, now } = machine;
  const broken = brokenDefinitions(settings.paths.grantDir);
  if (!("status" in daemon) || daemon.grants === undefined) return broken;
  const atAws = now + skewOf(daemon.status);
  const active = daemon.grants.filter(({ state }) => state === "active");
  const wrong = active.flatMap((grant) => [...troubleOf(grant, atAws), ...missingOf(grant)]);
  return verdicts([...broken, ...unserved(machine), ...wrong], `${active.length} active, without an error`);
}

/** A definition that is fine, and that the daemon could not serve when it read it: a lease had no place then. */
function unserved({ daemon, settings }: HostMachine): Verdict[] {
  if (!("status" in daemon) || daemon.grants === undefined) return [];
  const served = new Set(daemon.grants.map(({ name }) => name));
  const store = openGrantStore(settings.paths.grantDir);
  const names = read(() => store.list().filter((name) => !served.has(name)));
  if (names instanceof KeyholeError) return [];
  return names
    .filter((name) => !(read(() => store.read(name)) instanceof KeyholeError))
    .map((name) => problem(`${name}: is defined, and the daemon does not serve it`, "keyhole daemon restart"));
}

function troubleOf({ name, lastError, expiresAt }: GrantInfo, now: number): Verdict[] {
  if (lastError === undefined) return [];
  return [levelFor(expiresAt, now)(`${name}: ${lastError}`, `keyhole grant show ${quotePosix(name)}`)];
}

/** While credentials are there, an error is one of a renewal that is tried again. */
function levelFor(expiresAt: number | undefined, now: number): typeof problem {
  return expiresAt !== undefined && expiresAt > now ? warning : problem;
}

/** What a sandbox looks for in the directory. */
function missingOf({ name, directory, deliver }: GrantInfo): Verdict[] {
  if (lookAt(directory)?.isDirectory() !== true) {
    return [problem(`${name}: its directory ${directory} is gone`, "keyhole daemon restart")];
  }
  const needed = ["aws-config", { file: "lease.json", sign: "sign" }[deliver] ?? "sock"];
  const missing = needed.filter((file) => lookAt(`${directory}/${file}`) === undefined);
  if (missing.length === 0) return [];
  return [problem(`${name}: ${directory} has no ${missing.join(" and no ")}`, "keyhole daemon restart")];
}

/** Definitions that the next daemon would not serve. */
function brokenDefinitions(directory: string): Verdict[] {
  const store = openGrantStore(directory);
  const names = read(() => store.list());
  if (names instanceof KeyholeError) return [asVerdict(names)];
  return names.flatMap((name) => {
    const grant = read(() => store.read(name));
    return grant instanceof KeyholeError ? [asVerdict(grant)] : [];
  });
}

function read<Result>(look: () => Result): Result | KeyholeError {
  try {
    return look();
  } catch (error) {
    if (error instanceof KeyholeError) return error;
    throw error;
  }
}
