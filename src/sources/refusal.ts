// What went wrong between keyhole and STS, told to a person: failures become KeyholeErrors.
import { type ErrorName, KeyholeError } from "../errors.ts";
import { failureOf, type ServiceError, serviceErrorOf } from "./failure.ts";
import { redact } from "./redact.ts";

/** What the text of an error may need, and what it must not show. */
export interface RefusalContext {
  /** The config's name. */
  readonly name: string;
  readonly roleArn: string;
  readonly region: string;
  /** A command that renews the source credentials, where they are renewed by one. */
  readonly renewal: string | undefined;
  /** Values that are replaced by `***` wherever they stand. */
  readonly secrets: readonly (string | undefined)[];
  /** Who was asked. */
  readonly server: string;
}

/** The source credentials are not, or no longer, good: fresh ones may be. */
export function isStaleSource(error: unknown): boolean {
  const code = serviceErrorOf(error)?.code ?? "";
  return EXPIRED.has(code) || UNKNOWN_KEY.has(code);
}

/** A duration that role chaining does not allow: more than 3,600 s. */
export function isChainingRefusal(error: unknown): boolean {
  const refused = serviceErrorOf(error);
  return refused !== undefined && /role chaining/i.test(refused.message) && /session limit/i.test(refused.message);
}

const EXPIRED = new Set(["ExpiredToken", "ExpiredTokenException"]);
const UNKNOWN_KEY = new Set(["InvalidClientTokenId", "UnrecognizedClientException"]);
const THROTTLED = /^(Throttl|RequestLimitExceeded|TooManyRequests|RequestThrottled|SlowDown|BandwidthLimitExceeded)/;

/** @returns the KeyholeError for whatever a call threw; a KeyholeError as it is. */
export function explainFailure(error: unknown, context: RefusalContext): KeyholeError {
  if (error instanceof KeyholeError) return error;
  const failure = failureOf(error);
  switch (failure.kind) {
    case "refused":
      return explainRefusal(failure, context);
    case "unanswered":
      return new KeyholeError("network", `no answer from ${context.server}: ${failure.message}`);
    case "untrusted":
      return new KeyholeError(
        "network",
        `the certificate of ${context.server} is not trusted: ${failure.code}`,
        "export AWS_CA_BUNDLE=/path/to/the/ca.pem, and add the session again",
      );
    case "no-endpoint":
      return new KeyholeError(
        "invalid-config",
        `the STS endpoint cannot be determined: ${redact(failure.message, context.secrets)}`,
      );
    case "unusable":
      return new KeyholeError("network", `the answer of STS has no ${failure.field} that can be one`);
    case "aborted":
      return new KeyholeError("network", `the request to ${context.server} was given up`);
    case "unreadable":
      break;
  }
  return new KeyholeError("network", "the answer is not STS's: a proxy or a wrong endpoint may have answered");
}

function explainRefusal(refused: ServiceError, context: RefusalContext): KeyholeError {
  const text = `${redact(refused.code, context.secrets)}: ${redact(refused.message, context.secrets)}`;
  return new KeyholeError(kindOf(refused), text, hintFor(refused, context));
}

function kindOf({ code, message, status }: ServiceError): ErrorName {
  if (THROTTLED.test(code) || status === 429) return "throttled";
  if (status >= 500) return "network";
  if (EXPIRED.has(code) || /MultiFactorAuthentication/.test(message)) return "person-needed";
  return "aws-refused";
}

/** A command where there is one; undefined leaves the table's default. */
function hintFor({ code, message, status }: ServiceError, context: RefusalContext): string | undefined {
  const edit = `keyhole config update -n ${context.name}`;
  const role = context.roleArn.slice(context.roleArn.lastIndexOf("/") + 1);
  if (THROTTLED.test(code) || status >= 500) return undefined;
  if (EXPIRED.has(code)) return context.renewal ?? `renew the source credentials, then: ${addAgain(context)}`;
  if (UNKNOWN_KEY.has(code))
    return `check the source's access key, and that ${context.region} is enabled in its account: aws sts get-caller-identity`;
  if (/MultiFactorAuthentication/.test(message)) return `set MFA.command, or a fresh AssumeRole.TokenCode: ${edit}`;
  if (code.startsWith("RegionDisabled")) return `set STS.region_name to a region that is enabled: ${edit}`;
  if (code.startsWith("PackedPolicyTooLarge")) return `shorten Policy, PolicyArns or Tags: ${edit}`;
  if (code.startsWith("MalformedPolicyDocument")) return `correct AssumeRole.Policy: ${edit}`;
  if (code === "SignatureDoesNotMatch" || code === "RequestExpired")
    return "check the source's secret access key, and this machine's clock: date -u";
  if (/DurationSeconds|MaxSessionDuration/.test(message))
    return `lower AssumeRole.DurationSeconds (${edit}), or raise the role's maximum: aws iam update-role --role-name ${role} --max-session-duration SECONDS`;
  if (code === "ValidationError") return edit;
  if (code.startsWith("AccessDenied")) return accessHint(message, role);
  return undefined;
}

/** TagSession and SetSourceIdentity are permissions of their own; STS names the one it missed. */
function accessHint(message: string, role: string): string {
  const action = /sts:(TagSession|SetSourceIdentity|SetContext)/.exec(message)?.[0];
  const trust = `aws iam get-role --role-name ${role} --query Role.AssumeRolePolicyDocument`;
  if (action) return `allow ${action} in the role's trust policy and to the caller: ${trust}`;
  return `check the role's trust policy, and that the caller may sts:AssumeRole: ${trust}`;
}

function addAgain(context: RefusalContext): string {
  return `keyhole daemon add -n ${context.name}`;
}
