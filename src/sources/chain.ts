// The SDK's default credential chain, as it runs in the child process, whose environment is the requester's.
import { fromIni } from "@aws-sdk/credential-provider-ini";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { Credentials } from "../credentials.ts";
import type { Clock } from "../daemon/clock.ts";
import { KeyholeError } from "../errors.ts";
import { explainChainFailure } from "./chainfailure.ts";
import { createHandler } from "./handler.ts";
import type { ResolvedSource } from "./known.ts";
import { loginCommand } from "./login.ts";
import { DEFAULT_PROFILE, readSharedConfig } from "./profile.ts";
import type { SourceEnvironment } from "./source.ts";
import { readCaBundle } from "./target.ts";

export interface ChainRequest {
  /** The config's name, for what is said to a person. */
  readonly name: string;
  /** Undefined: nobody named one. */
  readonly profile: string | undefined;
  /** Must be what `process.env` holds: the SDK reads that. */
  readonly environment: SourceEnvironment;
  /** See HandlerOptions. */
  readonly isProxied: boolean;
  readonly clock: Clock;
}

/** What the SDK's providers give; `$source` says which of them took part. */
type ChainCredentials = Awaited<ReturnType<ReturnType<typeof defaultProvider>>> & {
  readonly $source?: Readonly<Record<string, string>>;
};

/** A profile with one of these says itself where its credentials are. */
const CREDENTIAL_KEYS = [
  "aws_access_key_id",
  "role_arn",
  "credential_source",
  "credential_process",
  "web_identity_token_file",
  "login_session",
  "sso_session",
  "sso_start_url",
];

/** Providers whose credentials are a role's session for certain. A process or a login may give others as well. */
const ROLE_SESSIONS = [
  "CREDENTIALS_STS_ASSUME_ROLE",
  "CREDENTIALS_STS_ASSUME_ROLE_WEB_ID",
  "CREDENTIALS_SSO",
  "CREDENTIALS_SSO_LEGACY",
];

/**
 * A profile that names a source of credentials is asked alone: the SDK's chain would go on to the next link where a
 * `credential_process` fails, run it twice on the way, and end with an instance's role that nobody asked for.
 *
 * @throws KeyholeError `no-source-credentials`, `person-needed`, `credential-loop`, `aws-refused`, `throttled`,
 *   `network`, `invalid-config`.
 */
export async function resolveChain(request: ChainRequest): Promise<ResolvedSource> {
  const { name, profile, environment } = request;
  const { profiles } = await readSharedConfig(environment);
  const settings = profiles.get(profile ?? DEFAULT_PROFILE);
  if (profile !== undefined && !settings)
    throw new KeyholeError(
      "no-source-credentials",
      `no source credentials found for config '${name}': there is no profile '${profile}'`,
      "aws configure list-profiles",
    );
  const isAsked = CREDENTIAL_KEYS.some((key) => settings?.has(key));
  const asked = isAsked ? (profile ?? DEFAULT_PROFILE) : undefined;
  try {
    const clientConfig = await clientConfigFor(request, settings);
    const found: ChainCredentials =
      asked === undefined
        ? await defaultProvider({ clientConfig })()
        : await fromIni({ profile: asked, clientConfig })();
    return describe(found, asked, asked === undefined ? undefined : loginCommand(profiles, asked));
  } catch (error) {
    throw explainChainFailure(error, { name, profile: asked ?? profile, profiles, environment });
  }
}

/** For the SSO and STS clients that the chain makes on the way. */
async function clientConfigFor(
  { environment, isProxied, clock }: ChainRequest,
  settings: ReadonlyMap<string, string> | undefined,
) {
  const bundle = environment["AWS_CA_BUNDLE"] ?? settings?.get("ca_bundle");
  const ca = bundle === undefined ? undefined : await readCaBundle(bundle, "AWS_CA_BUNDLE");
  const tls = { enabled: true, verify: true, ca };
  return { requestHandler: createHandler({ clock, tls, isProxied }), maxAttempts: 2 };
}

function describe(found: ChainCredentials, profile: string | undefined, renewal: string | undefined): ResolvedSource {
  const used = found.$source ?? {};
  return {
    credentials: new Credentials({
      accessKeyId: found.accessKeyId,
      secretAccessKey: found.secretAccessKey,
      sessionToken: found.sessionToken,
      expiresAt: found.expiration?.getTime(),
      accountId: found.accountId,
    }),
    description: profile === undefined ? providerOf(used) : `profile ${profile}`,
    chained: found.sessionToken !== undefined && ROLE_SESSIONS.some((provider) => provider in used),
    renewal,
  };
}

/** Without a profile, the link of the chain that had credentials; instance metadata alone leaves no mark. */
function providerOf(used: Readonly<Record<string, string>>): string {
  if ("CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN" in used) return "web identity";
  if ("CREDENTIALS_HTTP" in used) return "container";
  if ("CREDENTIALS_ENV_VARS" in used) return "environment";
  return "instance metadata";
}
