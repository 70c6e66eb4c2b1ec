// The AWS SDK for JavaScript pointed at a test STS, and the requests it would send.
import {
  AssumeRoleCommand,
  type AssumeRoleCommandInput,
  GetCallerIdentityCommand,
  STSClient,
} from "@aws-sdk/client-sts";
import type { Key } from "./issuer.ts";
import type { Sts } from "./server.ts";

export const ROLE_ARN = "arn:aws:iam::444455556666:role/team/deploy";

type Signer = Pick<Key, "accessKeyId" | "secretAccessKey" | "sessionToken">;

/** What the SDK would otherwise look up in the developer's environment and ~/.aws. */
const ISOLATED = {
  authSchemePreference: [],
  defaultsMode: "standard" as const,
  disableClockSkewCorrection: true,
  retryMode: "standard",
  sigv4aSigningRegionSet: [],
  useDualstackEndpoint: false,
  useFipsEndpoint: false,
  userAgentAppId: "test",
};

/** A client that signs with `key`, does not try again, and reads nothing of this machine's AWS. */
export function clientOf(sts: { readonly url: string }, key: Signer): STSClient {
  const { accessKeyId, secretAccessKey, sessionToken } = key;
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
  return new STSClient({ ...ISOLATED, endpoint: sts.url, region: "eu-west-1", credentials, maxAttempts: 1 });
}

/** Assumes a role and returns the key that the server issued for it. */
export async function assume(sts: Sts, input: Partial<AssumeRoleCommandInput> = {}, key: Key = sts.root): Promise<Key> {
  const command = new AssumeRoleCommand({ RoleArn: ROLE_ARN, RoleSessionName: "session", ...input });
  const { Credentials } = await clientOf(sts, key).send(command);
  return sts.issued.get(Credentials!.AccessKeyId!)!;
}

export async function whoami(sts: Sts, key: Key = sts.root): Promise<string> {
  return (await clientOf(sts, key).send(new GetCallerIdentityCommand())).Arn!;
}

/** What came of a call: `ok`, or the code of its error and the message. */
export async function outcomeOf(call: Promise<unknown>): Promise<{ code: string; message: string; status?: number }> {
  try {
    await call;
    return { code: "ok", message: "" };
  } catch (error) {
    const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    const status = $metadata?.httpStatusCode;
    return { code: name, message, ...(status !== undefined && { status }) };
  }
}
