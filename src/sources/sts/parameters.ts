// The parameters of sts:AssumeRole, out of a config.
import type { AssumeRoleCommandInput } from "@aws-sdk/client-sts";
import type { AssumeRoleSection } from "../../config/config.ts";
import type { Hop } from "../resolve/profile-plan.ts";

/** What is decided for one call and does not stand in the config. */
export interface CallParameters {
  readonly sessionName: string;
  /** Overrides the config's; seconds. */
  readonly duration: number | undefined;
  readonly tokenCode: string | undefined;
}

/** STS's limit, https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
const LONGEST_SESSION_NAME = 64;

/** Absent fields are left out: STS and the SDK take an empty list for an empty list. */
export function buildParameters(section: AssumeRoleSection, call: CallParameters): AssumeRoleCommandInput {
  const { PolicyArns, Tags, TransitiveTagKeys, ProvidedContexts } = section;
  return {
    RoleArn: section.RoleArn,
    RoleSessionName: call.sessionName,
    PolicyArns: PolicyArns?.map((arn) => ({ arn })),
    Policy: section.Policy,
    DurationSeconds: call.duration ?? section.DurationSeconds,
    ExternalId: section.ExternalId,
    SerialNumber: section.SerialNumber,
    TokenCode: call.tokenCode,
    Tags: Tags?.map(({ Key, Value }) => ({ Key, Value })),
    TransitiveTagKeys: TransitiveTagKeys && [...TransitiveTagKeys],
    SourceIdentity: section.SourceIdentity,
    ProvidedContexts: ProvidedContexts?.map(({ ProviderArn, ContextAssertion }) => ({ ProviderArn, ContextAssertion })),
  };
}

/** Of a role that a profile names. */
export function hopParameters(
  { profile, roleArn, sessionName, externalId, durationSeconds }: Hop,
  user: string,
): AssumeRoleCommandInput {
  return {
    RoleArn: roleArn,
    RoleSessionName: sessionName ?? defaultSessionName(user, profile),
    ExternalId: externalId,
    DurationSeconds: durationSeconds,
  };
}

/**
 * The role session name where the config has none: `keyhole-<user>-<config>` in STS's character set. What is too long
 * ends in a hash of the whole, so that two long names stay apart. The same at every renewal.
 */
export function defaultSessionName(user: string, config: string): string {
  const name = `keyhole-${user}-${config}`.replaceAll(/[^\w+=,.@-]/g, "-");
  if (name.length <= LONGEST_SESSION_NAME) return name;
  const hash = new Bun.CryptoHasher("sha256").update(`${user}\n${config}`).digest("hex").slice(0, 8);
  return `${name.slice(0, LONGEST_SESSION_NAME - hash.length - 1)}-${hash}`;
}
