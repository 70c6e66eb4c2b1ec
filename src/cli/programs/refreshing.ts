// What makes the SDKs of `exec --refresh` and `shell` come back for credentials, as long as they run: two files, and the
// variables that name them. The files themselves are in refreshingfiles.ts.
import type { Paths } from "../../paths.ts";

/** The config file that makes SDKs ask keyhole for `name`, of the daemon at this socket. */
export function refreshingConfigPath(paths: Paths, name: string): string {
  // Two daemons, and two directories, may have configs of one name.
  const place = [paths.socket, ...directoryWords(paths)].join("\0");
  return `${paths.runDir}/${name}-${Bun.hash.crc32(place).toString(16).padStart(8, "0")}.config`;
}

/** What says which directory of configs is meant, where it is another one than the plain name's. */
export function directoryWords({ configDir, defaultConfigDir }: Paths): string[] {
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
