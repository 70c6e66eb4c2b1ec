// What makes the SDKs of `exec --refresh` and `shell` come back for credentials, as long as they run: a config file whose
// default profile asks keyhole, an empty credentials file, and the variables that name them. The files hold no secret, and
// are the same for all who write them, so shells of one config share them.
import type { Paths } from "../../paths.ts";
import { formatAwsConfig } from "../../text/awsconfig.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { writeAtomically } from "../../files/writing.ts";

/** The config file that makes SDKs ask keyhole for `name`, of the daemon at this socket. */
export function refreshingConfigPath(paths: Paths, name: string): string {
  // Two daemons, and two directories, may have configs of one name.
  const place = [paths.socket, ...directoryWords(paths)].join("\0");
  return `${paths.runDir}/${name}-${Bun.hash.crc32(place).toString(16).padStart(8, "0")}.config`;
}

/** What says which directory of configs is meant, where it is another one than the plain name's. */
function directoryWords({ configDir, defaultConfigDir }: Paths): string[] {
  return configDir === defaultConfigDir ? [] : ["--config-dir", configDir];
}

/** An empty file, so that no key from `~/.aws/credentials` comes before `credential_process`. */
export function emptyCredentialsPath(paths: Paths): string {
  return `${paths.runDir}/credentials`;
}

export function refreshingVariables(paths: Paths, name: string): Record<string, string> {
  return variablesFor(refreshingConfigPath(paths, name), emptyCredentialsPath(paths));
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

export interface RefreshingProfile {
  /** The config's name, or the grant's. */
  readonly name: string;
  /** A grant's socket is told no name. */
  readonly isGrant?: boolean;
  /** The words that start keyhole. */
  readonly command: readonly string[];
  readonly region: string | undefined;
}

/** They are written anew each time, so a crash may take them. */
const ANEW = { exclusive: false, durable: false };

/** @throws KeyholeError `unsafe-path` if the directory is not private, `usage` if a path cannot be quoted. */
export function writeRefreshingFiles(paths: Paths, profile: RefreshingProfile): void {
  const text = refreshingConfig(paths, profile);
  ensurePrivateDirectory(paths.runDir);
  writeAtomically(refreshingConfigPath(paths, profile.name), text, ANEW);
  writeAtomically(emptyCredentialsPath(paths), "", ANEW);
}

/** @throws KeyholeError `usage` if a path cannot be quoted. */
export function refreshingConfig(paths: Paths, { name, isGrant = false, command, region }: RefreshingProfile): string {
  const words = [...command, "--socket-path", paths.socket, "export", "--format", "credential-process"];
  return formatAwsConfig({
    comment: "Written by keyhole for exec --refresh and shell; holds no secret.",
    process: isGrant ? words : [...words, ...directoryWords(paths), "-n", name],
    region,
  });
}
