// The SDK's STS client, told everything that it would otherwise look up in the daemon's environment and ~/.aws.
import type { STSClient } from "@aws-sdk/client-sts";
import type { Clock } from "../../clock.ts";
import type { Exchange } from "./failure.ts";
import { createHandler } from "./handler.ts";
import type { Caller } from "./transport.ts";

export interface ClientOptions extends Caller {
  readonly clock: Clock;
  readonly onAnswer: (exchange: Exchange) => void;
}

/** The first attempt and 2 retries; the SDK retries network failures, 5xx and throttling. */
const MAX_ATTEMPTS = 3;

/** Loaded when STS is first asked: the SDK takes 10 to 15 ms, and 15 MB. */
export const loadSdk = (): Promise<typeof import("@aws-sdk/client-sts")> => import("@aws-sdk/client-sts");

export async function createClient(options: ClientOptions): Promise<STSClient> {
  const { clock, target, credentials, skew, onAnswer } = options;
  const sdk = await loadSdk();
  return new sdk.STSClient({
    region: target.region,
    ...(target.endpoint === undefined ? {} : { endpoint: target.endpoint }),
    // Also for the regional endpoint: the SDK must not look for another in files and variables.
    ignoreConfiguredEndpointUrls: true,
    useFipsEndpoint: target.useFips,
    useDualstackEndpoint: target.useDualstack,
    useGlobalEndpoint: target.useGlobal,
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
    },
    requestHandler: createHandler({ clock, tls: target.tls, proxies: target.proxies, onAnswer }),
    systemClockOffset: skew,
    maxAttempts: MAX_ATTEMPTS,
    retryMode: "standard",
    defaultsMode: "standard",
    authSchemePreference: [],
    sigv4aSigningRegionSet: [],
    userAgentAppId: "keyhole",
  });
}
