// What went wrong in the SDK's credential chain, told to a person. The SDK's own texts may hold the command line and
// the stderr of a `credential_process`, so that none of them is passed on; what they say is recognised instead.
import { KeyholeError } from "../errors.ts";
import { findLoop } from "../loop.ts";
import { quotePosix } from "../quoting.ts";
import { serviceErrorOf, Unanswered } from "./failure.ts";
import { loginCommand } from "./login.ts";
import { explainFailure } from "./refusal.ts";
import type { SourceEnvironment } from "./source.ts";

export interface ChainContext {
  /** The config's name. */
  readonly name: string;
  /** The profile that was asked, if one was. */
  readonly profile: string | undefined;
  readonly profiles: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly environment: SourceEnvironment;
}

/** The SDK's words for a sign-in that is over, or never was. */
const SIGN_IN = /aws (sso )?login|UnauthorizedException|re-authenticate|^Failed to load token|^Token validation failed/;

export function explainChainFailure(error: unknown, context: ChainContext): KeyholeError {
  if (error instanceof KeyholeError) return error;
  const text = error instanceof Error ? error.message : "";
  const loop = findLoop(text);
  if (loop) return loop;
  const { profile } = context;
  if (serviceErrorOf(error) || error instanceof Unanswered) return explainService(error, context);
  if (profile === undefined) return notFound(context, "", "aws configure list");

  const quoted = quotePosix(profile);
  if (SIGN_IN.test(text))
    return new KeyholeError(
      "person-needed",
      `the sign-in behind profile '${profile}' is over`,
      loginCommand(context.profiles, profile) ?? `aws login --profile ${quoted}`,
    );
  if (/requires multi-factor authentication/.test(text))
    return new KeyholeError(
      "person-needed",
      `profile '${profile}' asks for an MFA code, which nobody is there to give`,
      `set AssumeRole.SerialNumber and MFA.command, and a profile without mfa_serial: keyhole config update -n ${context.name}`,
    );
  if (text.startsWith("Detected a cycle"))
    return new KeyholeError(
      "credential-loop",
      `profile '${profile}' is its own source_profile in the end`,
      `aws configure list --profile ${quoted}`,
    );
  return notFound(context, describeProfile(text, context), `aws configure export-credentials --profile ${quoted}`);
}

/** STS or SSO spoke, on behalf of a profile. */
function explainService(error: unknown, { name, profile, profiles, environment }: ChainContext): KeyholeError {
  const settings = profiles.get(profile ?? "");
  const explained = explainFailure(error, {
    name,
    roleArn: settings?.get("role_arn") ?? environment["AWS_ROLE_ARN"] ?? "",
    region: settings?.get("region") ?? environment["AWS_REGION"] ?? "the region",
    renewal: profile === undefined ? undefined : loginCommand(profiles, profile),
    secrets: secretsOf(profiles, environment),
  });
  if (profile === undefined) return explained;
  const hint =
    explained.kind === "aws-refused" ? `aws sts get-caller-identity --profile ${quotePosix(profile)}` : explained.hint;
  return new KeyholeError(explained.kind, `profile '${profile}': ${explained.message}`, hint);
}

function describeProfile(text: string, { profile, profiles }: ChainContext): string {
  const bad =
    /credential_process (did not return Version 1|returned (invalid credentials|expired credentials|invalid JSON))/;
  const said = bad.exec(text)?.[1];
  if (said) return `: the credential_process of profile '${profile}' ${said}`;
  if (text.startsWith("Command failed")) return `: the credential_process of profile '${profile}' failed`;
  const source = profiles.get(profile ?? "")?.get("source_profile");
  if (source !== undefined && !profiles.has(source)) return `: there is no profile '${source}'`;
  return `: profile '${profile}' gives none`;
}

function notFound({ name }: ChainContext, why: string, hint: string): KeyholeError {
  return new KeyholeError("no-source-credentials", `no source credentials found for config '${name}'${why}`, hint);
}

function secretsOf(profiles: ChainContext["profiles"], environment: SourceEnvironment): (string | undefined)[] {
  const keys = ["aws_secret_access_key", "aws_session_token", "external_id"];
  const inFiles = [...profiles.values()].flatMap((settings) => keys.map((key) => settings.get(key)));
  return [...inFiles, environment["AWS_SECRET_ACCESS_KEY"], environment["AWS_SESSION_TOKEN"]];
}
