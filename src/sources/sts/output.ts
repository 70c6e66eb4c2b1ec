// What STS answered, checked before any of it is shown, compared or kept: any host may answer, and a text that is no
// key id or too long for a message would break every list that it stands in. Wider than AWS's own patterns, because
// other makers' STS have others.
import type {
  AssumeRoleCommandOutput,
  GetCallerIdentityCommandOutput,
  GetSessionTokenCommandOutput,
} from "@aws-sdk/client-sts";
import type { CredentialFields } from "../../credentials.ts";
import { StsFailed } from "./failure.ts";
import type { CallerIdentity } from "../source.ts";
import type { IssuedRole } from "./transport.ts";

/** Characters. AWS's own limits: 128 for a key id, 193 for a user id, 2,048 for an ARN; none for secret and token. */
const LONGEST_ID = 256;
const LONGEST_ARN = 2048;
const LONGEST_SECRET = 1024;
const LONGEST_TOKEN = 32 * 1024;
const LARGEST_U32 = 2 ** 32 - 1;
/** The last moment that `YYYY-MM-DDTHH:MM:SSZ` can say. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Without controls, spaces, and what some terminal or locale takes for another character. */
const PRINTABLE = /^[!-~]+$/;

/**
 * Ceph RGW writes `AssumeRoleId` for `AssumedRoleId`, and its ARNs have no account.
 *
 * @throws StsFailed `unusable`
 */
export function readRole({
  Credentials,
  AssumedRoleUser: user,
  PackedPolicySize,
}: AssumeRoleCommandOutput): IssuedRole {
  const credentials = readCredentials(Credentials);
  const arn = printable("Arn", user?.Arn, LONGEST_ARN);
  return {
    credentials: { ...credentials, accountId: /^(?:[^:]*:){4}(\d{12}):/.exec(arn)?.[1] },
    assumedRoleId: user?.AssumedRoleId ? printable("AssumedRoleId", user.AssumedRoleId, LONGEST_ID) : "",
    arn,
    packedPolicySize: PackedPolicySize === undefined ? undefined : count("PackedPolicySize", PackedPolicySize),
  };
}

/** @throws StsFailed `unusable` */
export function readSessionToken({ Credentials }: GetSessionTokenCommandOutput): CredentialFields {
  return readCredentials(Credentials);
}

/** @throws StsFailed `unusable` */
export function readIdentity({ UserId, Account, Arn }: GetCallerIdentityCommandOutput): CallerIdentity {
  return {
    userId: printable("UserId", UserId, LONGEST_ID),
    account: printable("Account", Account, LONGEST_ID),
    arn: printable("Arn", Arn, LONGEST_ARN),
  };
}

function readCredentials(issued: AssumeRoleCommandOutput["Credentials"]): CredentialFields {
  const expiresAt = issued?.Expiration?.getTime();
  if (expiresAt === undefined || !(expiresAt >= 0 && expiresAt <= LATEST)) throw unusable("Expiration");
  return {
    accessKeyId: printable("AccessKeyId", issued?.AccessKeyId, LONGEST_ID),
    secretAccessKey: printable("SecretAccessKey", issued?.SecretAccessKey, LONGEST_SECRET),
    sessionToken: printable("SessionToken", issued?.SessionToken, LONGEST_TOKEN),
    expiresAt,
  };
}

function printable(field: string, value: string | undefined, longest: number): string {
  if (value === undefined || value.length > longest || !PRINTABLE.test(value)) throw unusable(field);
  return value;
}

function count(field: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > LARGEST_U32) throw unusable(field);
  return value;
}

function unusable(field: string): StsFailed {
  return new StsFailed({ kind: "unusable", field });
}
