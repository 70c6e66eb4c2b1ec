// What went wrong between keyhole and STS, told to a person: failures become KeyholeErrors.
import { type ErrorName, KeyholeError } from "../../errors.ts";
import { failureOf, type ServiceError, serviceErrorOf, StsFailed, type StsFailure } from "./failure.ts";
import { quotePosix } from "../../text/quoting.ts";
import { didYouMean } from "../../text/suggest.ts";
import { redact } from "../redact.ts";

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
  /** What was sent that a trust policy may want. */
  readonly sent: Sent;
}

export interface Sent {
  readonly mfa: "command" | "code" | "person" | "none";
  readonly hasExternalId: boolean;
  /** The profile that says it; undefined for the config. */
  readonly profile: string | undefined;
}

/** The source credentials are not, or no longer, good: fresh ones may be. */
export function isStaleSource(error: unknown): boolean {
  const code = serviceErrorOf(error)?.code ?? "";
  return EXPIRED.has(code) || UNKNOWN_KEY.has(code);
}

/** A code that is wrong, of another device, or was used. */
export function isCodeRefusal(error: unknown): boolean {
  return /MultiFactorAuthentication/.test(serviceErrorOf(error)?.message ?? "");
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
      return explainSkew(failure, error) ?? explainRefusal(failure, context);
    case "unanswered":
      return explainSilence(failure, context);
    case "untrusted":
      return new KeyholeError(
        "network",
        explainCertificate(failure, context),
        "export AWS_CA_BUNDLE=/path/to/the/ca.pem, and add the session again",
      );
    case "no-endpoint":
      return new KeyholeError(
        "invalid-config",
        `the STS endpoint cannot be determined: ${redact(failure.message, context.secrets)}`,
      );
    case "unusable":
      return new KeyholeError("network", `the answer of STS has no valid ${failure.field}`);
    case "aborted":
      return new KeyholeError("network", `the request to ${context.server} was given up`);
    case "unreadable":
      break;
  }
  return new KeyholeError("network", "the answer is not of STS: a proxy may have answered, or the endpoint is wrong");
}

/** Of a role that is assumed on the way to source credentials. */
export function explainHop(error: unknown, context: RefusalContext): KeyholeError {
  const { kind, message, hint } = explainFailure(error, context);
  const { profile } = context.sent;
  if (profile === undefined) return new KeyholeError(kind, `web identity: ${message}`, hint);
  const look = `aws sts get-caller-identity --profile ${quotePosix(profile)}`;
  return new KeyholeError(kind, `profile '${profile}': ${message}`, hint ?? look);
}

function explainCertificate(
  { code, issuer, way: { host, proxy } }: Extract<StsFailure, { kind: "untrusted" }>,
  { server, secrets }: RefusalContext,
): string {
  const place = `${server}${host === undefined ? "" : ` at ${host}`}`;
  const by = issuer === undefined ? "" : `, issued by ${redact(issuer, secrets)},`;
  return `the certificate of ${place}${by} is not trusted: ${code}${proxy === undefined ? "" : ` through the proxy ${proxy}`}`;
}

function explainSilence(
  { message, host, proxy, status }: Extract<StsFailure, { kind: "unanswered" }>,
  { server, region }: RefusalContext,
): KeyholeError {
  const place = host === undefined ? server : `${server} at ${host}`;
  if (status !== undefined) {
    const what = `the proxy ${proxy} does not let keyhole through to ${host} (${status})`;
    const hint =
      status === 407
        ? "it wants a user and a password: export HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
        : `ask who runs the proxy to allow ${host}, or, where it is reached without: export NO_PROXY=${host}`;
    return new KeyholeError("network", what, hint);
  }
  const text = `no answer from ${place}: ${message}`;
  if (message === "ENOTFOUND" && host?.includes(`.${region}.`) && !REGIONS.includes(region)) {
    return new KeyholeError(
      "network",
      text,
      `keyhole does not know the region ${region}${didYouMean(region, REGIONS)}`,
    );
  }
  return new KeyholeError("network", text);
}

/** As of botocore 1.43; another may be there by now, and is asked like these. */
const REGIONS: readonly string[] = (
  "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 " +
  "ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 " +
  "eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 " +
  "me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 cn-north-1 cn-northwest-1 us-gov-east-1 " +
  "us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 eu-isoe-west-1 us-isof-east-1 us-isof-south-1 eusc-de-east-1"
).split(" ");

function explainRefusal(refused: ServiceError, context: RefusalContext): KeyholeError {
  const { code, message } = refused;
  const text = [code, ...(message === "" ? [] : [message])].map((each) => redact(each, context.secrets)).join(": ");
  return new KeyholeError(kindOf(refused), text, hintFor(refused, context));
}

/** AWS tells its time with every answer; the SDK has already tried again by it. */
function explainSkew({ code, message }: ServiceError, error: unknown): KeyholeError | undefined {
  const { exchange } = error instanceof StsFailed ? error : {};
  const isLate = /^(?:RequestExpired|RequestTimeTooSkewed|RequestInTheFuture)/.test(code);
  const isExpired = /^Signature(?:DoesNotMatch$)?/.test(code) && /is now (?:earlier|later) than/.test(message);
  if ((!isLate && !isExpired) || exchange?.date === undefined) return undefined;
  const minutes = Math.round((exchange.receivedAt - exchange.date) / 60_000);
  if (minutes === 0) return undefined;
  const how = minutes < 0 ? "behind" : "ahead of";
  return new KeyholeError(
    "aws-refused",
    `this machine's clock is ${Math.abs(minutes)} min ${how} AWS's`,
    "set it: sudo timedatectl set-ntp true",
  );
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
  if (THROTTLED.test(code)) return undefined;
  if (status >= 500) return "the fault is at AWS's end: try again in a minute";
  if (/GetSessionToken/.test(message) && /session credentials/i.test(message))
    return `it is for a user's own keys: name a profile that has them: ${edit} --set Session.profile_name=PROFILE`;
  if (EXPIRED.has(code)) return context.renewal ?? `renew the source credentials, then: ${addAgain(context)}`;
  if (UNKNOWN_KEY.has(code))
    return `check the source's access key, and that ${context.region} is enabled in its account: aws sts get-caller-identity`;
  if (/MultiFactorAuthentication/.test(message)) return mfaHint(context.sent, edit);
  if (code.startsWith("RegionDisabled")) return `set STS.region_name to a region that is enabled: ${edit}`;
  if (code.startsWith("PackedPolicyTooLarge")) return `shorten Policy, PolicyArns or Tags: ${edit}`;
  if (code.startsWith("MalformedPolicyDocument")) return `correct AssumeRole.Policy: ${edit}`;
  if (code === "SignatureDoesNotMatch" || code === "RequestExpired")
    return "check the source's secret access key, and this machine's clock: date -u";
  if (/DurationSeconds|MaxSessionDuration/.test(message))
    return `lower ${durationSetting(context.sent, edit)}, or raise the role's maximum: aws iam update-role --role-name ${role} --max-session-duration SECONDS`;
  if (code === "ValidationError") return edit;
  if (code.startsWith("AccessDenied")) return accessHint(message, role, context);
  return undefined;
}

/** TagSession and SetSourceIdentity are permissions of their own; STS names the one it missed. */
function accessHint(message: string, role: string, { name, sent }: RefusalContext): string {
  if (/service control policy/i.test(message))
    return "the organization forbids it: ask who administers its service control policies";
  const action = /sts:(TagSession|SetSourceIdentity|SetContext)/.exec(message)?.[0];
  const trust = `aws iam get-role --role-name ${role} --query Role.AssumeRolePolicyDocument`;
  if (action) return `allow ${action} in the role's trust policy and to the caller: ${trust}`;
  const set = (setting: string, own: string) =>
    sent.profile === undefined
      ? `keyhole config update -n ${name} --set AssumeRole.${setting}`
      : `${own} in profile '${sent.profile}'`;
  const mfa = `; if the role asks for MFA: ${set("SerialNumber=ARN", "mfa_serial")}`;
  const id = `; if it wants an external id: ${set("ExternalId=ID", "external_id")}`;
  const missing = `${sent.mfa === "none" ? mfa : ""}${sent.hasExternalId ? "" : id}`;
  return `check the role's trust policy, and that the caller may sts:AssumeRole: ${trust}${missing}`;
}

function mfaHint({ mfa }: Sent, edit: string): string {
  if (mfa === "command")
    return "a code counts once: wait 30 s for the next, and see that MFA.command is for this device";
  if (mfa === "person") return "a code counts once: wait 30 s for the next";
  return mfa === "code"
    ? `a code counts once: set MFA.command, or a fresh AssumeRole.TokenCode: ${edit}`
    : `set MFA.command: ${edit}`;
}

function durationSetting({ profile }: Sent, edit: string): string {
  return profile === undefined ? `AssumeRole.DurationSeconds (${edit})` : `duration_seconds in profile '${profile}'`;
}

function addAgain(context: RefusalContext): string {
  return `keyhole daemon add -n ${context.name}`;
}
