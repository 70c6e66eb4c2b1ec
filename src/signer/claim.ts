// Whether a request is this grant's sandbox's: of one form alone, and signed with the dummy keys a moment ago.
import { AUTHORITY } from "./exchange.ts";
import type { Entry } from "./request.ts";
import type { Failure } from "./refusal.ts";
import {
  type Claim,
  type Keys,
  MAX_SKEW_MS,
  only,
  readClaim,
  type Request,
  sha256,
  timeOf,
  UNSIGNED_PAYLOAD,
  type Verified,
  verify,
  withoutParameter,
} from "./sigv4.ts";
import type { Service } from "./table.ts";

/** What a signature is held against. */
export interface Trust {
  readonly dummy: Keys;
  readonly now: () => number;
}

export class Refused extends Error {
  readonly failure: Failure;
  readonly by: Entry["refused"];

  constructor(failure: Failure, by: Entry["refused"]) {
    super(failure.message);
    this.failure = failure;
    this.by = by;
  }
}

/** An error for the client, and what is counted. */
export const refused = (by: Entry["refused"], status: number, code: string, message: string) =>
  new Refused({ status, code, message }, by);

const bad = (message: string) => refused("signature", 400, "InvalidRequest", message);

/** What two readers might understand in two ways is refused. */
export function checkForm({ path, query, headers, method }: Request): void {
  if (!path.startsWith("/")) throw bad("the request's target is not a path");
  // RFC 9112, 3.2: no target has one. A server might take what follows for no part of the path.
  if (`${path}${query}`.includes("#")) throw bad("there is a # in the request's target, which must be encoded as %23");
  if (!/^(?:GET|HEAD|PUT|POST|DELETE|PATCH|OPTIONS)$/.test(method)) throw bad("the request's method is none of AWS's");
  const override = headers.find(([name]) =>
    /^x-(?:http-)?method(?:-override)?$|^x-(?:original|rewrite)-url$/.test(name),
  );
  if (override !== undefined) throw bad(`the header ${override[0]} would make it another request`);
  const counts = new Map<string, number>();
  for (const [name] of headers) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const name of [
    "host",
    "content-length",
    "transfer-encoding",
    "authorization",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-target",
    "content-type",
  ])
    if ((counts.get(name) ?? 0) > 1) throw bad(`there is more than one header ${name}`);
  if (!counts.has("host")) throw bad("there is no header host");
  if (counts.has("content-length") && counts.has("transfer-encoding")) throw bad("the body has two lengths");
}

/** By whom a request says it is signed; what is not this grant's dummy goes no further. */
export function claimOf(request: Request, services: readonly Service[], { dummy, now }: Trust): Claim {
  const authorization = request.headers.find(([name]) => name === "authorization")?.[1] ?? "";
  if (authorization.startsWith("AWS4-ECDSA-P256-SHA256"))
    throw refused(
      "signature",
      501,
      "NotImplemented",
      "this request is signed for several regions (SigV4a), which keyhole cannot sign anew",
    );
  const claim = readClaim(request);
  if (claim === undefined)
    throw refused("signature", 403, "MissingAuthenticationToken", "the request is not signed with this grant's keys");
  if (claim.accessKeyId !== dummy.accessKeyId)
    throw refused("signature", 403, "InvalidClientTokenId", "the request is signed with other keys than this grant's");
  const time = timeOf(claim);
  if (time === undefined || Math.abs(time - now()) > MAX_SKEW_MS)
    throw refused(
      "signature",
      403,
      "RequestTimeTooSkewed",
      "the request was not signed within the last five minutes; look at the clock",
    );
  if (!claim.signedHeaders.includes("host") && !claim.signedHeaders.includes(AUTHORITY))
    throw refused("signature", 403, "SignatureDoesNotMatch", "the header host is not signed");
  const unsigned = request.headers.find(
    ([name]) =>
      (name.startsWith("x-amz-") || name === "content-type") &&
      !claim.signedHeaders.includes(name) &&
      isMeaningful(name),
  );
  if (unsigned !== undefined)
    throw refused("signature", 403, "SignatureDoesNotMatch", `the header ${unsigned[0]} is not signed`);
  if (!services.some(({ signing }) => signing === claim.scope.service))
    throw refused(
      "signature",
      403,
      "SignatureDoesNotMatch",
      `the request is signed for ${claim.scope.service}, and sent to another service`,
    );
  return claim;
}

/** Those that change what is asked for. Some SDKs leave the content's type unsigned, and AWS takes that. */
function isMeaningful(name: string): boolean {
  return name !== "content-type" && name !== "x-amz-user-agent" && name !== "x-amzn-trace-id";
}

/** What stands for the body in the signature; undefined: the hash of the body, which the client does not say. */
export function payloadOf(request: Request, claim: Claim): string | undefined {
  const said = only(request.headers, "x-amz-content-sha256");
  if (said !== undefined) {
    if (said.startsWith("STREAMING-AWS4-ECDSA") || /^STREAMING-.*EVENTS$/.test(said))
      throw refused("signature", 501, "NotImplemented", `keyhole cannot sign a body of ${said} anew`);
    return said;
  }
  if (claim.isPresigned && claim.scope.service === "s3") return UNSIGNED_PAYLOAD;
  const hasBody = request.headers.some(
    ([name, value]) => name === "transfer-encoding" || (name === "content-length" && value !== "0"),
  );
  return hasBody ? undefined : sha256("");
}

export function check(request: Request, claim: Claim, payload: string, { dummy }: Trust): Verified {
  const verified = verify(request, claim, payload, dummy.secretAccessKey);
  if (verified === undefined)
    throw refused("signature", 403, "SignatureDoesNotMatch", "the signature is not the one of this grant's keys");
  return verified;
}

/** Without the signature's own parameters, where it was in the query. */
export function bareQuery({ query }: Request, { isPresigned }: Claim): string {
  const own = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token"];
  return isPresigned ? withoutParameter(query, ...own.map((name) => `X-Amz-${name}`)) : query;
}
