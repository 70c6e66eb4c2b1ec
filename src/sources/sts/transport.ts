// How calls reach STS: by the SDK in this process (direct.ts), or in one of its own (remote.ts, worker.ts). Types only.
import type {
  AssumeRoleCommandInput,
  AssumeRoleWithWebIdentityCommandInput,
  GetSessionTokenCommandInput,
} from "@aws-sdk/client-sts";
import type { CredentialFields } from "../../credentials.ts";
import type { Exchange } from "./failure.ts";
import type { CallerIdentity } from "../source.ts";
import type { Target } from "./target.ts";

/** What STS issued; plain data. */
export interface IssuedRole {
  readonly credentials: CredentialFields;
  readonly assumedRoleId: string;
  readonly arn: string;
  /** In percent; STS tells it only where there are policies or tags. */
  readonly packedPolicySize?: number | undefined;
}

/** STS's actions by name. */
export interface Operations {
  AssumeRole: { readonly input: AssumeRoleCommandInput; readonly output: IssuedRole };
  /** Unsigned: the token is the proof. */
  AssumeRoleWithWebIdentity: { readonly input: AssumeRoleWithWebIdentityCommandInput; readonly output: IssuedRole };
  /** The caller's own identity for a while; SerialNumber and TokenCode make it one that has proved MFA. */
  GetSessionToken: { readonly input: GetSessionTokenCommandInput; readonly output: CredentialFields };
  GetCallerIdentity: { readonly input: Readonly<Record<string, never>>; readonly output: CallerIdentity };
}

export type OperationName = keyof Operations;

/** Which STS, and as whom. Nothing comes from the environment or the home of the process that sends. */
export interface Caller {
  readonly target: Target;
  readonly credentials: CredentialFields;
  /** AWS's clock minus this machine's, in milliseconds, as last measured: without it a skewed machine is refused first. */
  readonly skew: number;
}

export interface StsAnswer<Name extends OperationName = OperationName> {
  readonly output: Operations[Name]["output"];
  readonly exchange: Exchange | undefined;
}

export interface StsTransport {
  /**
   * One call with the SDK's retries, and an end after `CALL_DEADLINE` at the latest.
   *
   * @throws StsFailed; KeyholeError `network` or `internal` where the process that calls is at fault.
   */
  send<Name extends OperationName>(
    name: Name,
    input: Operations[Name]["input"],
    caller: Caller,
    signal: AbortSignal,
  ): Promise<StsAnswer<Name>>;

  /** Ends what is under way, and gives back what the transport holds. */
  close(): void;
}

/** Milliseconds: three attempts of 10 s and the SDK's pauses between them. */
export const CALL_DEADLINE = 35_000;
