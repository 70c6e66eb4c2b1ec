// Where a profile's credentials come from, as far as its files say: botocore's order
// (botocore/credentials.py, create_credential_resolver), and nothing but what a profile says of itself. Nothing is asked
// and nothing is run: the resolver does what is planned here, doctor and `config validate` only look.
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { quotePosix } from "../../text/quoting.ts";
import { isInstance } from "./instance.ts";
import { DEFAULT_PROFILE, type Settings, type SharedConfig } from "./profile.ts";
import type { SourceEnvironment } from "../source.ts";

/** What has credentials of its own. */
export type Leaf =
  | {
      readonly kind: "keys";
      readonly of: "credentials file" | "config file";
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly token: string | undefined;
    }
  | {
      readonly kind: "web-identity";
      readonly roleArn: string;
      readonly tokenFile: string;
      readonly sessionName: string | undefined;
    }
  /** The session is what its file in the cache of sign-ins is named after; `of` is the permission set, in words. */
  | { readonly kind: "sso" | "login"; readonly session: string; readonly of: string }
  | { readonly kind: "process"; readonly command: string }
  | { readonly kind: "environment" | "container" | "instance" };

/** A leaf, and the profile that names it; undefined for what the environment has without one. */
export type Place = Leaf & { readonly profile: string | undefined };

/** A role that is assumed on the way. */
export interface Hop {
  readonly profile: string;
  readonly roleArn: string;
  readonly sessionName: string | undefined;
  readonly externalId: string | undefined;
  readonly durationSeconds: number | undefined;
  /** The device whose code it asks for. */
  readonly mfaSerial: string | undefined;
}

export interface Plan {
  readonly place: Place;
  /** In the order of the calls. */
  readonly hops: readonly Hop[];
}

/** What the files and the environment say. */
export interface Sources {
  readonly shared: SharedConfig;
  readonly environment: SourceEnvironment;
}

/**
 * @param profile the one that was named; undefined for what there is without one
 * @throws KeyholeError `no-source-credentials`, `credential-loop` with what is wrong, for whom to say.
 */
export function planSource(sources: Sources, profile: string | undefined): Plan {
  if (profile !== undefined && !sources.shared.profiles.has(profile))
    throw none(`there is no profile '${profile}'`, "aws configure list-profiles");
  const name = profile ?? DEFAULT_PROFILE;
  return (
    planRole(sources, name, []) ??
    plain(planEnvironmentToken(sources, profile) ?? planLeaf(sources, name) ?? planMachine(sources, profile))
  );
}

/**
 * Where a profile's credentials come from in the end, whether or not a person has to give a code on the way; undefined where
 * only that person's code could tell. Throws as `planSource` does.
 */
export function planPlace(sources: Sources, profile: string): Place | undefined {
  try {
    return planSource(sources, profile).place;
  } catch (error) {
    if (!isErrorOf(error, "person-needed")) throw error;
    const source = settingsOf(sources, profile).get("source_profile");
    return source === undefined || source === profile ? undefined : planPlace(sources, source);
  }
}

/** Why a profile gives no credentials, or what there is without one, as far as can be seen without a call; undefined where it may. */
export function profileRefusal(sources: Sources, profile: string | undefined): KeyholeError | undefined {
  try {
    const { place } = planSource(sources, profile);
    const isNamed = sources.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] !== undefined;
    const isMissing = place.kind === "instance" && !isNamed && !isInstance();
    return isMissing ? empty(profile, "is none of this machine's") : undefined;
  } catch (error) {
    if (error instanceof KeyholeError) return isErrorOf(error, "no-source-credentials") ? error : undefined;
    throw error;
  }
}

/**
 * Which step of the walk gives the credentials, in words: `profile p (credentials file)`, `profile q (role, SSO of
 * profile p)`, `instance metadata`.
 *
 * @param profile the one that was named; undefined where none was
 */
export function describePlan({ place, hops }: Plan, profile: string | undefined): string {
  const step = place.kind === "keys" ? place.of : STEPS[place.kind];
  const name = profile ?? (hops.at(-1) ?? place).profile;
  if (name === undefined) return step;
  const of = place.profile === undefined || place.profile === name ? "" : ` of profile ${place.profile}`;
  return `profile ${name} (${hops.length > 0 ? "role, " : ""}${step}${of})`;
}

const STEPS: Readonly<Record<Exclude<Place["kind"], "keys">, string>> = {
  "web-identity": "web identity",
  sso: "SSO",
  login: "aws login",
  process: "credential_process",
  environment: "environment",
  container: "container",
  instance: "instance metadata",
};

/** A command with which a person renews the sign-in behind a place. */
export function renewalOf(place: Place): string | undefined {
  return renewalWords(place)?.map(quotePosix).join(" ");
}

export function renewalWords({ kind, profile = DEFAULT_PROFILE }: Place): readonly string[] | undefined {
  if (kind === "sso") return ["aws", "sso", "login", "--profile", profile];
  return kind === "login" ? ["aws", "login", "--profile", profile] : undefined;
}

function plain(place: Place): Plan {
  return { place, hops: [] };
}

/** `role_arn` with the profile, or the source, that it is assumed from; undefined for a profile without. */
function planRole(sources: Sources, name: string, visited: readonly string[]): Plan | undefined {
  const settings = settingsOf(sources, name);
  const roleArn = settings.get("role_arn");
  if (roleArn === undefined || settings.has("web_identity_token_file")) return undefined;
  const source = settings.get("source_profile");
  const credentialSource = settings.get("credential_source");
  if (source !== undefined && credentialSource !== undefined)
    throw none(`profile '${name}' has both source_profile and credential_source`, look(name));
  const hop: Hop = {
    profile: name,
    roleArn,
    sessionName: settings.get("role_session_name"),
    externalId: settings.get("external_id"),
    durationSeconds: secondsOf(settings.get("duration_seconds")),
    mfaSerial: settings.get("mfa_serial"),
  };
  const before =
    source === undefined
      ? plain(planCredentialSource(sources, name, credentialSource))
      : planSourceProfile(sources, name, source, [...visited, name]);
  return { place: before.place, hops: [...before.hops, hop] };
}

function planSourceProfile(sources: Sources, parent: string, name: string, visited: readonly string[]): Plan {
  if (!sources.shared.profiles.has(name))
    throw none(`there is no profile '${name}', which profile '${parent}' takes its credentials from`, look(parent));
  const settings = settingsOf(sources, name);
  const isStatic = settings.has("aws_access_key_id") || settings.has("aws_secret_access_key");
  // A profile may be its own source where it has keys beside its role.
  if (visited.includes(name) && (name !== parent || !isStatic))
    throw new KeyholeError(
      "credential-loop",
      `profile '${visited[0]}' is its own source_profile in the end`,
      look(visited[0]!),
    );
  const role = isStatic ? undefined : planRole(sources, name, visited);
  if (role !== undefined) return role;
  const leaf = planLeaf(sources, name);
  if (leaf !== undefined) return plain(leaf);
  throw none(`profile '${name}', the source of profile '${parent}', gives no credentials`, look(parent));
}

function planCredentialSource({ environment }: Sources, profile: string, source: string | undefined): Place {
  switch (source) {
    case "Environment":
      if (hasKeys(environment)) return { kind: "environment", profile };
      throw none(`profile '${profile}' takes its credentials from the environment, which has none`, look(profile));
    case "EcsContainer":
      return { kind: "container", profile };
    case "Ec2InstanceMetadata":
      if (!isMetadataOff(environment)) return { kind: "instance", profile };
      throw none(
        `profile '${profile}' takes its credentials from instance metadata, which is turned off`,
        look(profile),
      );
    case undefined:
      throw none(`profile '${profile}' has role_arn, and neither source_profile nor credential_source`, look(profile));
    default:
      throw none(
        `the credential_source of profile '${profile}' must be Environment, EcsContainer or Ec2InstanceMetadata`,
        look(profile),
      );
  }
}

/** IRSA and the like. For a profile that was named the environment's does not count. */
function planEnvironmentToken({ environment }: Sources, profile: string | undefined): Place | undefined {
  const tokenFile = environment["AWS_WEB_IDENTITY_TOKEN_FILE"];
  const roleArn = environment["AWS_ROLE_ARN"];
  if (profile !== undefined || tokenFile === undefined || roleArn === undefined) return undefined;
  const sessionName = environment["AWS_ROLE_SESSION_NAME"];
  return { kind: "web-identity", roleArn, tokenFile, sessionName, profile };
}

function planLeaf(sources: Sources, profile: string): Place | undefined {
  const settings = settingsOf(sources, profile);
  const tokenFile = settings.get("web_identity_token_file");
  if (tokenFile !== undefined) {
    const roleArn = settings.get("role_arn");
    if (roleArn === undefined)
      throw none(`profile '${profile}' has web_identity_token_file without role_arn`, look(profile));
    return { kind: "web-identity", roleArn, tokenFile, sessionName: settings.get("role_session_name"), profile };
  }
  if (settings.has("sso_account_id") || settings.has("sso_role_name")) return planSignIn(sources, settings, profile);
  const first = keysOf(sources.shared.credentials.get(profile), profile, "credentials file");
  if (first !== undefined) return first;
  const session = settings.get("login_session");
  if (session !== undefined) return { kind: "login", session, of: "", profile };
  const command = settings.get("credential_process");
  return command === undefined ? keysOf(settings, profile, "config file") : { kind: "process", command, profile };
}

function planSignIn({ shared }: Sources, settings: Settings, profile: string): Place {
  const named = settings.get("sso_session");
  const signIn = named === undefined ? settings : shared.signIns.get(named);
  if (signIn === undefined)
    throw none(`profile '${profile}' names the sso-session '${named}', which is not there`, look(profile));
  const missing = [
    ...["sso_account_id", "sso_role_name"].filter((key) => !settings.has(key)),
    ...["sso_start_url", "sso_region"].filter((key) => !signIn.has(key)),
  ];
  if (missing.length > 0) throw none(`the sign-in of profile '${profile}' lacks ${missing.join(", ")}`, look(profile));
  const of = `account ${settings.get("sso_account_id")}, role ${settings.get("sso_role_name")}`;
  return { kind: "sso", session: named ?? signIn.get("sso_start_url")!, of, profile };
}

function keysOf(
  settings: Settings | undefined,
  profile: string,
  of: "credentials file" | "config file",
): Place | undefined {
  const accessKeyId = settings?.get("aws_access_key_id");
  if (accessKeyId === undefined) return undefined;
  const secretAccessKey = settings?.get("aws_secret_access_key");
  if (secretAccessKey === undefined)
    throw none(`profile '${profile}' has aws_access_key_id without aws_secret_access_key`, look(profile));
  // The second is what boto 2 called it.
  const token = settings?.get("aws_session_token") ?? settings?.get("aws_security_token");
  return { kind: "keys", of, accessKeyId, secretAccessKey, token, profile };
}

/** What the machine has for everything that runs on it: a container's credentials, an instance's. */
function planMachine({ environment }: Sources, profile: string | undefined): Place {
  const hasContainer = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"].some(
    (name) => environment[name] !== undefined,
  );
  if (hasContainer) return { kind: "container", profile };
  if (isMetadataOff(environment)) throw empty(profile, "is turned off");
  return { kind: "instance", profile };
}

/**
 * For a profile that gives nothing, and for a machine without any.
 *
 * @param metadata what is the matter with the instance's, as a verb
 */
export function empty(profile: string | undefined, metadata: string): KeyholeError {
  const machine = `no container's (AWS_CONTAINER_CREDENTIALS_*), and instance metadata ${metadata}`;
  if (profile === undefined)
    return none(`no keys or web identity in the environment, nothing in profile 'default', ${machine}`, LIST);
  const own = "no keys, role, web identity, sign-in or credential_process of its own";
  return none(`profile '${profile}' gives no credentials: ${own}, ${machine}`, look(profile));
}

const LIST = "aws configure list";

function look(profile: string): string {
  return `${LIST} --profile ${quotePosix(profile)}`;
}

function none(what: string, hint: string): KeyholeError {
  return new KeyholeError("no-source-credentials", what, hint);
}

function isMetadataOff(environment: SourceEnvironment): boolean {
  return environment["AWS_EC2_METADATA_DISABLED"]?.toLowerCase() === "true";
}

function hasKeys(environment: SourceEnvironment): boolean {
  return environment["AWS_ACCESS_KEY_ID"] !== undefined && environment["AWS_SECRET_ACCESS_KEY"] !== undefined;
}

function settingsOf({ shared }: Sources, profile: string): Settings {
  return shared.profiles.get(profile) ?? new Map<string, string>();
}

/** What is no number is left out, as botocore has it. */
function secondsOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
