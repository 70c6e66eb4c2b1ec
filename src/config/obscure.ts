// What `config get --obscure` hides: elhaz's list. Policy, MFA.command, Tags and SourceIdentity stay
// visible, as they do there.
import { isMapping } from "./mapping.ts";

const HIDDEN: ReadonlySet<string> = new Set([
  "RoleArn",
  "ExternalId",
  "SerialNumber",
  "TokenCode",
  "PolicyArns",
  "aws_access_key_id",
  "aws_secret_access_key",
  "aws_session_token",
  "aws_account_id",
  "access_key",
  "secret_key",
  "token",
  "AccessKeyId",
  "SecretAccessKey",
  "SessionToken",
  "Account",
  "Arn",
  "UserId",
]);

/** A copy with `***` for every value, of whatever kind, whose key is on the list. */
export function obscureConfig(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(obscureConfig);
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, HIDDEN.has(key) ? "***" : obscureConfig(item)]),
  );
}
