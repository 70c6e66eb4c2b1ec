// The SDK's STS client, told everything that it would otherwise look up in the daemon's environment and ~/.aws.
import type { STSClient } from "@aws-sdk/client-sts";
import type { CredentialFields } from "../credentials.ts";
import type { Clock } from "../daemon/clock.ts";
import { createHandler, type Exchange } from "./handler.ts";
import type { Target } from "./target.ts";

export interface ClientOptions {
  readonly clock: Clock;
  readonly target: Target;
  readonly credentials: CredentialFields;
  /** AWS's clock minus this machine's, as last measured: otherwise every first request of a skewed machine is refused. */
  readonly skew: number;
  readonly isProxied: boolean;
  readonly onAnswer: (exchange: Exchange) => void;
}

/** The first attempt and 2 retries (DESIGN.md, 6); the SDK retries network failures, 5xx and throttling. */
const MAX_ATTEMPTS = 3;

/** The SDK costs 15 MB of memory, so that it is loaded when STS is first asked (BUN.md, 8). */
export const loadSdk = (): Promise<typeof import("@aws-sdk/client-sts")> => import("@aws-sdk/client-sts");

export async function createClient(options: ClientOptions): Promise<STSClient> {
  const { clock, target, credentials, skew, isProxied, onAnswer } = options;
  const sdk = await loadSdk();
  return new sdk.STSClient({
    region: target.region,
    ...(target.endpoint === undefined ? {} : { endpoint: target.endpoint }),
    // Also for the regional endpoint: the SDK must not look for another in files and variables.
    ignoreConfiguredEndpointUrls: true,
    useFipsEndpoint: target.useFips,
    useDualstackEndpoint: target.useDualstack,
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
    },
    requestHandler: createHandler({ clock, tls: target.tls, isProxied, onAnswer }),
    systemClockOffset: skew,
    maxAttempts: MAX_ATTEMPTS,
    retryMode: "standard",
    defaultsMode: "standard",
    authSchemePreference: [],
    sigv4aSigningRegionSet: [],
    userAgentAppId: "keyhole",
  });
}
