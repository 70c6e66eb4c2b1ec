// The token of AssumeRoleWithWebIdentity: shape and expiry of a JWT. Its signature is not verified, since the test
// STS has no identity provider to ask.
import { StsError } from "./error.ts";

export interface WebIdentity {
  readonly subject: string;
  readonly issuer: string;
  readonly audience: string;
}

/** @throws StsError for what is no JWT, or no longer one. */
export function readWebIdentity(token: string, now: number): WebIdentity {
  const { sub, iss, aud, exp } = readClaims(token);
  if (typeof sub !== "string" || typeof iss !== "string" || aud === undefined) throw invalidToken();
  if (typeof exp === "number" && exp * 1000 <= now) {
    throw new StsError(
      "ExpiredTokenException",
      `Token expired: current date/time ${Math.floor(now / 1000)} must be before the expiration date/time ${exp}`,
    );
  }
  return { subject: sub, issuer: iss.replace(/^https:\/\//, ""), audience: String(Array.isArray(aud) ? aud[0] : aud) };
}

function readClaims(token: string): Record<string, unknown> {
  const parts = token.split(".");
  if (parts.length !== 3) throw invalidToken();
  try {
    return { ...(JSON.parse(Buffer.from(parts[1]!, "base64url").toString()) as object) };
  } catch {
    throw invalidToken();
  }
}

function invalidToken(): StsError {
  return new StsError(
    "InvalidIdentityToken",
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
  );
}
