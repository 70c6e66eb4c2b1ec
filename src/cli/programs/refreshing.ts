// What makes the SDKs of `exec --refresh` and `shell` come back for credentials, as long as they run: a config file whose
// default profile asks keyhole, an empty credentials file, and the variables that name them. The files hold no secret, and
// are the same for all who write them, so shells of one config, and of the same files of the person, share them.
import type { Paths } from "../../paths.ts";
import { profileConfigName, profileOf } from "../../config/name.ts";
import { DEFAULT_PROFILE, type Settings, type SharedConfig } from "../../sources/resolve/profile.ts";
import { formatAwsConfig, formatProcess } from "../../text/awsconfig.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { writeAtomically } from "../../files/writing.ts";

/** Where the person's own files are, whose settings and other profiles are carried. */
type OwnFiles = readonly (string | undefined)[];

/** The config file that makes SDKs ask keyhole for `name`, of the daemon at this socket. */
export function refreshingConfigPath(paths: Paths, name: string, files: OwnFiles): string {
  // Two daemons, and two directories, may have configs of one name; and two shells other profiles.
  const place = [paths.socket, ...directoryWords(paths), ...files, name].join("\0");
  return `${paths.runDir}/${name.slice(0, LONGEST_NAME)}-${Bun.hash.crc32(place).toString(16).padStart(8, "0")}.config`;
}

/** Characters, of a profile's name: a file's takes 255 bytes in all. */
const LONGEST_NAME = 128;

/** What says which directory of configs is meant, where it is another one than the plain name's. */
function directoryWords({ configDir, defaultConfigDir }: Paths): string[] {
  return configDir === defaultConfigDir ? [] : ["--config-dir", configDir];
}

/** An empty file, so that no key from `~/.aws/credentials` comes before `credential_process`. */
export function emptyCredentialsPath(paths: Paths): string {
  return `${paths.runDir}/credentials`;
}

export function refreshingVariables(paths: Paths, name: string, files: OwnFiles): Record<string, string> {
  return variablesFor(refreshingConfigPath(paths, name, files), emptyCredentialsPath(paths));
}

/** As `refreshingVariables`, by the files of a grant's own directory. */
export function grantVariables(directory: string): Record<string, string> {
  return {
    ...variablesFor(`${directory}/aws-config`, `${directory}/credentials`),
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

function variablesFor(config: string, credentials: string): Record<string, string> {
  return {
    AWS_CONFIG_FILE: config,
    AWS_SHARED_CREDENTIALS_FILE: credentials,
    // Go SDK v1 reads no config file without it.
    AWS_SDK_LOAD_CONFIG: "1",
  };
}

interface RefreshingProfile {
  /** The config's name, or the grant's. */
  readonly name: string;
  /** A grant's socket is told no name. */
  readonly isGrant?: boolean;
  /** The words that start keyhole. */
  readonly command: readonly string[];
  readonly region: string | undefined;
  /** The person's own files, of which the program keeps what does not compete; undefined where there are none. */
  readonly own: SharedConfig | undefined;
  /** Of `own`. */
  readonly files: OwnFiles;
}

/** They are written anew each time, so a crash may take them. */
const ANEW = { exclusive: false, durable: false };

/** @throws KeyholeError `unsafe-path` if the directory is not private, `usage` if a path cannot be quoted. */
export function writeRefreshingFiles(paths: Paths, profile: RefreshingProfile): void {
  const text = refreshingConfig(paths, profile);
  ensurePrivateDirectory(paths.runDir);
  writeAtomically(refreshingConfigPath(paths, profile.name, profile.files), text, ANEW);
  writeAtomically(emptyCredentialsPath(paths), "", ANEW);
}

/** @throws KeyholeError `usage` if a path cannot be quoted. */
export function refreshingConfig(paths: Paths, profile: RefreshingProfile): string {
  const { name, isGrant = false, command, region, own } = profile;
  const words = [...command, "--socket-path", paths.socket, "export", "--format", "credential-process"];
  const kept = [...(own?.profiles.get(DEFAULT_PROFILE) ?? [])].filter(([key]) => !COMPETING.test(key));
  const process = isGrant ? words : [...words, ...directoryWords(paths), "-n", name];
  const named =
    region === undefined ? kept : [["region", region] as const, ...kept.filter(([key]) => key !== "region")];
  const twin = isGrant ? "" : formatTwin(profile, formatProcess(process), formatSettings(named));
  return formatAwsConfig({
    comment: "Written by keyhole for exec --refresh and shell; holds no secret.",
    process,
    region: named.find(([key]) => key === "region")?.[1],
    settings: formatSettings(named.filter(([key]) => key !== "region")),
    others: twin + (own === undefined ? "" : formatOthers(own, words)),
  });
}

/** The default profile again, under the name that AWS_PROFILE has in a shell. */
function formatTwin(profile: Pick<RefreshingProfile, "name" | "own">, process: string, settings: string): string {
  return formatSection(`profile ${shellProfileOf(profile)}`, `${process}\n${settings}`);
}

/** The config's name or, of a profile without a config, that; in front of it `keyhole-` as long as the person's files have one. */
export function shellProfileOf({ name, own }: Pick<RefreshingProfile, "name" | "own">): string {
  let profile = (profileOf(name) ?? name).replaceAll(/[^\w+.@-]+/g, "-");
  while (profile === DEFAULT_PROFILE || own?.profiles.has(profile) === true) profile = `keyhole-${profile}`;
  return profile;
}

/** Settings that say whose credentials a profile has. */
const COMPETING =
  /^(?:aws_access_key_id|aws_secret_access_key|aws_session_token|aws_security_token|credential_|role_|source_profile|web_identity_token_file|sso_|login_session|mfa_serial|external_id|duration_seconds|aws_account_id)/;
/** Of a sign-in, which stays what it is: it has no secret, and `aws sso login` wants it. */
const SIGN_IN = /^(?:sso_|login_session)/;

/**
 * The other profiles. Keys, commands and what leads to the default profile, which is another one here, are not copied:
 * such a profile asks keyhole, which reads it where it stands.
 *
 * @param words that print the credentials of a profile, but for its name
 */
function formatOthers({ profiles, credentials, signIns, services }: SharedConfig, words: readonly string[]): string {
  const others = [...profiles].flatMap(([name, settings]) => {
    if (name === DEFAULT_PROFILE) return [];
    const isSignIn = hasSignIn(settings, credentials.get(name));
    const kept = [...settings].filter(([key]) => !COMPETING.test(key) || (isSignIn && SIGN_IN.test(key)));
    const hasSource = [...settings.keys()].some((key) => COMPETING.test(key)) && !isSignIn;
    const process = hasSource ? `${formatProcess([...words, "-n", profileConfigName(name)])}\n` : "";
    return [formatSection(`profile ${name}`, process + formatSettings(kept))];
  });
  return [...others, ...formatAll("sso-session", signIns), ...formatAll("services", services)].join("");
}

/** Whether a sign-in is what a profile's credentials are of, in the order of sources/resolve/profile-plan.ts. */
function hasSignIn(settings: Settings, credentials: Settings | undefined): boolean {
  if (settings.has("role_arn")) return false;
  if (settings.has("sso_account_id") || settings.has("sso_role_name")) return true;
  if (credentials?.has("aws_access_key_id") === true) return false;
  if (settings.has("login_session")) return true;
  // No more than what `aws sso login` wants.
  const hasOther = settings.has("credential_process") || settings.has("aws_access_key_id");
  return !hasOther && [...settings.keys()].some((key) => SIGN_IN.test(key));
}

function formatAll(kind: string, sections: SharedConfig["profiles"]): string[] {
  return [...sections].map(([name, settings]) => formatSection(`${kind} ${name}`, formatSettings(settings)));
}

/** Empty where no reader would take the name as it is meant. */
function formatSection(header: string, text: string): string {
  const [kind = "", ...rest] = header.split(" ");
  const name = rest.join(" ");
  if (/["'\]\\\p{Cc}]/u.test(name)) return "";
  return `\n[${kind} ${/^[\w@+.%:/-]+$/.test(name) ? name : `"${name}"`}]\n${text}`;
}

function formatSettings(settings: Iterable<readonly [string, string]>): string {
  const groups = Map.groupBy(settings, ([key]) => (key.includes(".") ? key.slice(0, key.indexOf(".")) : ""));
  const plain = (groups.get("") ?? []).map(([key, value]) => `${key} = ${value}\n`);
  const nested = [...groups].flatMap(([parent, entries]) =>
    parent === ""
      ? []
      : [`${parent} =\n`, ...entries.map(([key, value]) => `  ${key.slice(parent.length + 1)} = ${value}\n`)],
  );
  return [...plain, ...nested].join("");
}
