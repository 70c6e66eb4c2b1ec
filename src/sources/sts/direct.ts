// Calls to STS in this process. Loads the AWS SDK when the first one is made.
import type { STSClient } from "@aws-sdk/client-sts";
import type { Clock } from "../../clock.ts";
import { type Exchange, failureOf, StsFailed, Unanswered } from "./failure.ts";
import { createHandler } from "./handler.ts";
import { readIdentity, readRole, readSessionToken } from "./output.ts";
import {
  CALL_DEADLINE,
  type Caller,
  type OperationName,
  type Operations,
  type StsAnswer,
  type StsTransport,
} from "./transport.ts";

export interface DirectOptions {
  readonly clock: Clock;
}

export function createDirectTransport({ clock }: DirectOptions): StsTransport {
  async function send<Name extends OperationName>(
    name: Name,
    input: Operations[Name]["input"],
    caller: Caller,
    signal: AbortSignal,
  ): Promise<StsAnswer<Name>> {
    let exchange: Exchange | undefined;
    const onAnswer = (latest: Exchange): void => void (exchange = latest);
    const late = new AbortController();
    const timer = clock.after(CALL_DEADLINE, () => late.abort());
    try {
      const abortSignal = AbortSignal.any([signal, late.signal]);
      const client = await createClient({ clock, ...caller, onAnswer });
      try {
        const output = await operations[name](client, input, { abortSignal });
        return { output, exchange };
      } finally {
        client.destroy();
      }
    } catch (error) {
      const isLate = late.signal.aborted && !signal.aborted;
      const cause = isLate ? new Unanswered(`nothing within ${CALL_DEADLINE / 1000} s`) : error;
      throw new StsFailed(failureOf(cause), exchange);
    } finally {
      timer.cancel();
    }
  }
  return { send, close: () => {} };
}

/** How each operation is sent and read. */
const operations: {
  readonly [Name in OperationName]: (
    client: STSClient,
    input: Operations[Name]["input"],
    options: { readonly abortSignal: AbortSignal },
  ) => Promise<Operations[Name]["output"]>;
} = {
  AssumeRole: async (client, input, options) => {
    const { AssumeRoleCommand } = await loadSdk();
    return readRole(await client.send(new AssumeRoleCommand(input), options));
  },
  AssumeRoleWithWebIdentity: async (client, input, options) => {
    const { AssumeRoleWithWebIdentityCommand } = await loadSdk();
    return readRole(await client.send(new AssumeRoleWithWebIdentityCommand(input), options));
  },
  GetSessionToken: async (client, input, options) => {
    const { GetSessionTokenCommand } = await loadSdk();
    return readSessionToken(await client.send(new GetSessionTokenCommand(input), options));
  },
  GetCallerIdentity: async (client, input, options) => {
    const { GetCallerIdentityCommand } = await loadSdk();
    return readIdentity(await client.send(new GetCallerIdentityCommand(input), options));
  },
};

interface ClientOptions extends Caller {
  readonly clock: Clock;
  readonly onAnswer: (exchange: Exchange) => void;
}

/** The first attempt and 2 retries; the SDK retries network failures, 5xx and throttling. */
const MAX_ATTEMPTS = 3;

/** Loaded when STS is first asked: the SDK takes 10 to 15 ms, and 15 MB. */
export const loadSdk = (): Promise<typeof import("@aws-sdk/client-sts")> => import("@aws-sdk/client-sts");

/** The SDK's client, told everything that it would otherwise look up in the daemon's environment and ~/.aws. */
async function createClient(options: ClientOptions): Promise<STSClient> {
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
