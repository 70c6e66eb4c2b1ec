// What went wrong in one of the SDK's providers, told to a person. Their own texts may hold what was read or answered,
// so that none of them is passed on as it is; what they say is recognised instead.
import { KeyholeError } from "../../errors.ts";
import { quotePosix } from "../../text/quoting.ts";
import { failureOf } from "../sts/failure.ts";
import { DEFAULT_PROFILE } from "./profile.ts";
import { type Place, renewalOf } from "./profile-plan.ts";
import { redact } from "../redact.ts";
import { explainFailure } from "../sts/refusal.ts";

/** The SDK's words for a sign-in that is over, or never was. */
const SIGN_IN =
  /aws (sso )?login|UnauthorizedException|re-?authenticate|^Failed to load token|^Token validation failed/i;
/** An answer of SSO, as its provider repeats it. */
const REFUSED = /^(\w+Exception): (.*)/s;

const server = "the sign-in's server";

const NOTHING = { mfa: "none", hasExternalId: true, profile: undefined } as const;

function refusing(place: Place): string {
  return place.kind === "sso" ? `SSO refused ${place.of}: ` : "";
}

/**
 * @param error what the provider threw, or what became of its last request where that had no answer
 * @param status of its last answer; 0 where it had none
 */
export function explainProvider(
  error: unknown,
  place: Place,
  { name }: { readonly name: string },
  status: number,
): KeyholeError {
  const profile = place.profile ?? DEFAULT_PROFILE;
  const text = error instanceof Error ? error.message : "";
  const { kind } = failureOf(error);
  if (kind === "unanswered" || kind === "untrusted" || kind === "refused") {
    const context = {
      name,
      roleArn: "",
      region: "its region",
      renewal: renewalOf(place),
      secrets: [],
      server,
      sent: NOTHING,
    };
    const explained = explainFailure(error, context);
    return new KeyholeError(explained.kind, `profile '${profile}': ${explained.message}`, explained.hint);
  }
  if (status >= 500 || status === 429)
    return new KeyholeError(
      status === 429 ? "throttled" : "network",
      `profile '${profile}': ${server} answers ${status}`,
      status === 429 ? undefined : "the fault is at AWS's end: try again in a minute",
    );
  if (SIGN_IN.test(text)) return signInOver(profile, place);
  const [, code, message] = REFUSED.exec(text) ?? [];
  if (code !== undefined)
    return new KeyholeError(
      "aws-refused",
      `profile '${profile}': ${refusing(place)}${code}: ${redact(message ?? "", [])}`,
      place.kind === "sso"
        ? `ask for that permission set, or sign in as another: ${renewalOf(place)}`
        : renewalOf(place),
    );
  const what =
    place.kind === "container"
      ? "the container's credentials are not to be had"
      : `profile '${profile}' gives no credentials`;
  return new KeyholeError(
    "no-source-credentials",
    what,
    `aws configure export-credentials --profile ${quotePosix(profile)}`,
  );
}

/** Only a person can begin another. */
export function signInOver(profile: string, place: Place): KeyholeError {
  return new KeyholeError(
    "person-needed",
    `profile '${profile}' has no valid sign-in`,
    renewalOf(place) ?? `aws login --profile ${quotePosix(profile)}`,
  );
}
