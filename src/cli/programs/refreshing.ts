// The environment of `exec --refresh` and `shell`, whose SDKs come back for credentials as long as they run: where its
// files lie, and what of the outer environment it remembers. The files themselves are in refreshingfiles.ts.
import { absoluteValue, type Environment, selectSourceEnvironment, withoutRivals } from "../../environment.ts";
import type { Paths } from "../../paths.ts";

/**
 * Which source credentials the outer environment selected, by name alone: no key and no token is remembered. Needed
 * when the daemon has lost the session (restart, eviction): in the inner environment the default profile is keyhole
 * itself, so adding the session from there would be a loop.
 */
const remembered = [
  "AWS_CONFIG_FILE",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
] as const;

const PREFIX = "KEYHOLE_SOURCE_";

/** The config file that makes SDKs ask keyhole for `name`, of the daemon at this socket. */
export function refreshingConfigPath(paths: Paths, name: string): string {
  // Two daemons may have configs of one name.
  const daemon = Bun.hash.crc32(paths.socket).toString(16).padStart(8, "0");
  return `${paths.runDir}/${name}-${daemon}.config`;
}

/** An empty file, so that no key from `~/.aws/credentials` comes before `credential_process`. */
export function emptyCredentialsPath(paths: Paths): string {
  return `${paths.runDir}/credentials`;
}

/** The environment of the child: no keys, the two files, and what is remembered, which outlives a `cd` in a shell. */
export function refreshingEnvironment(
  environment: Readonly<Record<string, string>>,
  paths: Paths,
  name: string,
  cwd: () => string,
): Record<string, string> {
  const inner: Record<string, string> = { ...environment };
  const isNested = environment["AWS_CONFIG_FILE"] === refreshingConfigPath(paths, name);
  if (!isNested) {
    for (const variable of remembered) {
      const value = environment[variable];
      delete inner[PREFIX + variable];
      if (value) inner[PREFIX + variable] = absoluteValue(variable, value, cwd);
    }
  }
  return {
    ...withoutRivals(inner),
    AWS_CONFIG_FILE: refreshingConfigPath(paths, name),
    AWS_SHARED_CREDENTIALS_FILE: emptyCredentialsPath(paths),
    // Go SDK v1 reads no config file without it.
    AWS_SDK_LOAD_CONFIG: "1",
  };
}

/** The environment of a child that asks a grant by the files of the grant's own directory. */
export function grantEnvironment(
  environment: Readonly<Record<string, string>>,
  directory: string,
): Record<string, string> {
  return {
    ...withoutRivals(environment),
    AWS_CONFIG_FILE: `${directory}/aws-config`,
    AWS_SHARED_CREDENTIALS_FILE: `${directory}/credentials`,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SDK_LOAD_CONFIG: "1",
  };
}

/** What selects the source credentials of `name` for a caller; inside its own `shell`, what the outer one selected. */
export function sourceEnvironment(
  environment: Environment,
  paths: Paths,
  name: string,
  cwd: () => string,
): Record<string, string> {
  const selected = selectSourceEnvironment(environment, cwd);
  if (selected["AWS_CONFIG_FILE"] === refreshingConfigPath(paths, name)) {
    for (const variable of remembered) {
      delete selected[variable];
      const value = environment[PREFIX + variable];
      if (value) selected[variable] = value;
    }
  }
  for (const variable of remembered) delete selected[PREFIX + variable];
  return selected;
}
