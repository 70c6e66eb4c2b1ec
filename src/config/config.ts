// What a config file says: elhaz's schema with AWS's own parameter names, and nothing of where it came from.

/** One saved set of parameters for assuming one role, or a profile whose credentials are handed out: `configs/NAME.yaml`. */
export interface Config {
  /** Undefined: the credentials of `Session.profile_name` are handed out as they are. */
  readonly AssumeRole?: AssumeRoleSection | undefined;
  readonly STS?: StsSection | undefined;
  readonly MFA?: MfaSection | undefined;
  readonly Session?: SessionSection | undefined;
  readonly Meta?: { readonly description?: string | undefined } | undefined;
  /** keyhole's own: renew even when nobody asks. */
  readonly pin?: boolean | undefined;
}

/** Parameters of sts:AssumeRole, https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
export interface AssumeRoleSection {
  readonly RoleArn: string;
  readonly RoleSessionName?: string | undefined;
  /** ARNs of managed policies; elhaz passed these in a shape that STS refuses. */
  readonly PolicyArns?: readonly string[] | undefined;
  /** A session policy, as JSON text. */
  readonly Policy?: string | undefined;
  /** Seconds. */
  readonly DurationSeconds?: number | undefined;
  readonly ExternalId?: string | undefined;
  readonly SerialNumber?: string | undefined;
  readonly TokenCode?: string | undefined;
  readonly Tags?: readonly { readonly Key: string; readonly Value: string }[] | undefined;
  readonly TransitiveTagKeys?: readonly string[] | undefined;
  readonly SourceIdentity?: string | undefined;
  readonly ProvidedContexts?:
    readonly { readonly ProviderArn: string; readonly ContextAssertion: string }[] | undefined;
}

/** Source credentials that stand in the config itself: supported, and discouraged. */
export interface KeySection {
  readonly aws_access_key_id?: string | undefined;
  readonly aws_secret_access_key?: string | undefined;
  readonly aws_session_token?: string | undefined;
  readonly aws_account_id?: string | undefined;
}

/** How STS is reached; keys here win over every other source credentials. */
export interface StsSection extends KeySection {
  readonly region_name?: string | undefined;
  /** Accepted for elhaz's sake; STS has one version, 2011-06-15. */
  readonly api_version?: string | undefined;
  readonly use_ssl?: boolean | undefined;
  /** `false` trusts any certificate; a string is the path of a CA bundle. */
  readonly verify?: boolean | string | undefined;
  readonly endpoint_url?: string | undefined;
}

/** A command that prints a one-time code. */
export interface MfaSection {
  readonly command: string | readonly string[];
  /** Seconds; 30 if absent. */
  readonly timeout?: number | undefined;
}

/** Which source credentials to use; empty means the default chain. */
export interface SessionSection extends KeySection {
  readonly region_name?: string | undefined;
  readonly profile_name?: string | undefined;
  /** Seconds for a `credential_process`; 60 if absent. */
  readonly timeout?: number | undefined;
}

/** A config as it was found in the store. */
export interface StoredConfig {
  readonly name: string;
  readonly config: Config;
  /** Changes whenever the file does. */
  readonly revision: string;
  /** When all that is issued must have ended, in milliseconds since the epoch on AWS's clock: the end of a grant. */
  readonly until?: number | undefined;
}

/** What the daemon needs of the store. Both calls are synchronous and cheap enough to stand before an answer. */
export interface ConfigReader {
  /**
   * @throws KeyholeError `no-such-config`, `invalid-config`, `unsafe-path` if others could have written the file, `usage`
   *   for a name that is none; never with a value out of the file.
   */
  read(name: string): StoredConfig;
  /** The revision that `read` would give, without reading; undefined where there is no such file. */
  revision(name: string): string | undefined;
}
