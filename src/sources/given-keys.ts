// Source credentials that are read without a call: in the config, or in the
// requester's environment.
import type { Config, KeySection } from "../config/config.ts";
import { Credentials } from "../credentials.ts";
import { KeyholeError } from "../errors.ts";
import type { Hop } from "./resolve/profile-plan.ts";
import type { SourceEnvironment } from "./source.ts";

/** Where a token is the proof, nothing is signed. */
export const UNSIGNED = new Credentials({ accessKeyId: "unsigned", secretAccessKey: "unsigned" });

/** Source credentials, wherever they came from. */
export interface ResolvedSource {
  readonly credentials: Credentials;
  /** In words without secrets: `profile dev`, `environment`, `config`. */
  readonly description: string;
  /** They are a role's session for certain, so that what is assumed with them lives 3,600 s at most. */
  readonly chained: boolean;
  /** A command that renews them, where they are renewed by one. */
  readonly renewal: string | undefined;
  /** Roles that are still to be assumed with them: the first asks for a code, which the daemon sees to. */
  readonly rest: readonly Hop[];
  /** For `status`, and for a person at a terminal. */
  readonly notes: readonly string[];
}

/**
 * The keys of the config's STS section, of its Session section, or, where the config names no profile, of the
 * requester's environment: keys there win over AWS_PROFILE, as they do in the AWS CLI and boto3. Undefined if there
 * are none.
 *
 * @throws KeyholeError `invalid-config` for half a pair in a config.
 */
export function readKnownSource(config: Config, environment: SourceEnvironment): ResolvedSource | undefined {
  const own = readKeys(config.STS, "STS") ?? readKeys(config.Session, "Session");
  if (own) return known(own, "config");
  if (config.Session?.profile_name !== undefined) return undefined;
  const fromEnvironment = readVariables(environment);
  return fromEnvironment && known(fromEnvironment, "environment");
}

function known(credentials: Credentials, description: string): ResolvedSource {
  return { credentials, description, chained: false, renewal: undefined, rest: [], notes: [] };
}

function readKeys(keys: KeySection | undefined, section: string): Credentials | undefined {
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = keys ?? {};
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new KeyholeError(
      "invalid-config",
      `${section} needs both aws_access_key_id and aws_secret_access_key, or neither`,
    );
  return new Credentials({ accessKeyId, secretAccessKey, sessionToken: keys?.aws_session_token });
}

/** Half a pair is skipped in an environment, as the SDKs do. */
function readVariables(environment: SourceEnvironment): Credentials | undefined {
  const accessKeyId = environment["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = environment["AWS_SECRET_ACCESS_KEY"];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return new Credentials({ accessKeyId, secretAccessKey, sessionToken: environment["AWS_SESSION_TOKEN"] });
}
