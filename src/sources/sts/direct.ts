// Calls to STS in this process. Loads the AWS SDK when the first one is made.
import type { Clock } from "../../clock.ts";
import { createClient, loadSdk } from "./client.ts";
import { type Exchange, failureOf, StsFailed, Unanswered } from "./failure.ts";
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

type Client = Awaited<ReturnType<typeof createClient>>;

/** How each operation is sent and read. */
const operations: {
  readonly [Name in OperationName]: (
    client: Client,
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
