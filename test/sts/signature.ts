// Signature Version 4, verified from its specification and without any SDK, so that the check is a second opinion.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// Limits: one path, "/"; no chunked or unsigned bodies; no Signature Version 4a; a header sent twice does not verify.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { ALGORITHM, type Claim, readClaim, type SignedRequest } from "./claim.ts";
import { incompleteSignature, signatureDoesNotMatch, StsError } from "./error.ts";
import type { Key } from "./issuer.ts";

const SERVICE = "sts";
const TERMINATOR = "aws4_request";
/** How far the request's date may be from the server's. */
const TOLERANCE_MINUTES = 5;
/** The longest validity of a presigned URL, in seconds: seven days. */
const LONGEST_PRESIGNED = 604_800;

export interface Verification {
  /** On the server's clock. */
  readonly now: number;
  /** The one region that may be signed for; any well-formed one if absent. */
  readonly region: string | undefined;
  findKey(accessKeyId: string): Key | undefined;
}

/** Whose key signed the request. @throws StsError as STS answers. */
export function verifySignature(request: SignedRequest, verification: Verification): { key: Key; region: string } {
  const claim = readClaim(request);
  const key = verification.findKey(claim.accessKeyId);
  // AWS does not tell an unknown key from a token that belongs to another one.
  if (key === undefined || key.sessionToken !== claim.token) {
    throw new StsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403);
  }
  checkScope(claim, verification.region);
  checkSignedHeaders(claim, request.headers);
  checkDate(claim, verification.now);
  const expected = signatureOf(request, claim, key.secretAccessKey);
  if (!isEqual(expected, claim.signature)) {
    throw signatureDoesNotMatch(
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    );
  }
  if (key.expiresAt !== undefined && verification.now >= key.expiresAt) {
    throw new StsError("ExpiredToken", "The security token included in the request is expired", 403);
  }
  return { key, region: claim.scope.region };
}

function checkScope({ scope, date }: Claim, region: string | undefined): void {
  const problems: string[] = [];
  const isRegion = region === undefined ? /^[a-z]{2,3}(-[a-z]+)+-\d$/.test(scope.region) : scope.region === region;
  if (!isRegion) problems.push(`Credential should be scoped to a valid region.`);
  if (scope.service !== SERVICE) problems.push(`Credential should be scoped to correct service: '${SERVICE}'.`);
  if (scope.end !== TERMINATOR) {
    problems.push(`Credential should be scoped with a valid terminator: '${TERMINATOR}', not '${scope.end}'.`);
  }
  if (scope.date !== date.slice(0, 8)) {
    problems.push(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${scope.date}' != '${date.slice(0, 8)}', from '${date}'.`,
    );
  }
  if (problems.length > 0) throw signatureDoesNotMatch(problems.join(" "));
}

/** Whatever an attacker could add or change to effect must be under the signature: the host, and every `x-amz-`. */
function checkSignedHeaders({ signedHeaders }: Claim, headers: Headers): void {
  const needed = ["host", ...[...headers.keys()].filter((name) => name.startsWith("x-amz-"))];
  for (const name of needed) {
    if (!signedHeaders.includes(name)) {
      throw signatureDoesNotMatch(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`);
    }
  }
}

function checkDate({ date, expires }: Claim, now: number): void {
  const signedAt = parseBasic(date);
  const tolerance = TOLERANCE_MINUTES * 60_000;
  if (expires !== undefined && !(expires >= 1 && expires <= LONGEST_PRESIGNED)) {
    throw incompleteSignature(`X-Amz-Expires must be between 1 and ${LONGEST_PRESIGNED} seconds`);
  }
  const validFor = expires === undefined ? tolerance : expires * 1000;
  if (now > signedAt + validFor) {
    throw signatureDoesNotMatch(
      expires === undefined
        ? `Signature expired: ${date} is now earlier than ${formatBasic(now - tolerance)} (${formatBasic(now)} - ${TOLERANCE_MINUTES} min.)`
        : `Signature expired: ${formatBasic(now)} is now later than ${formatBasic(signedAt + validFor)}`,
    );
  }
  if (signedAt > now + tolerance) {
    throw signatureDoesNotMatch(
      `Signature not yet current: ${date} is still later than ${formatBasic(now + tolerance)} (${formatBasic(now)} + ${TOLERANCE_MINUTES} min.)`,
    );
  }
}

/** ISO 8601's basic form, the only one that AWS takes. @throws StsError for any other */
function parseBasic(date: string): number {
  const extended = date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const time = extended === date ? Number.NaN : Date.parse(extended);
  if (!Number.isNaN(time)) return time;
  throw incompleteSignature(
    `Date must be in ISO-8601 'basic format'. Got '${date}'. See http://en.wikipedia.org/wiki/ISO_8601`,
  );
}

function formatBasic(time: number): string {
  return new Date(time).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
}

function canonicalRequest(request: SignedRequest, claim: Claim): string {
  const names = claim.signedHeaders.toSorted();
  const headers = names.map((name) => `${name}:${(request.headers.get(name) ?? "").trim().replaceAll(/ +/g, " ")}\n`);
  return [
    request.method,
    "/",
    canonicalQuery(request.query),
    headers.join(""),
    names.join(";"),
    sha256(request.body),
  ].join("\n");
}

function canonicalQuery(query: string): string {
  const pairs = query.split("&").filter((pair) => pair !== "" && !pair.startsWith("X-Amz-Signature="));
  const encoded = pairs.map((pair) => {
    const [name = "", ...value] = pair.split("=");
    return [reencode(name), reencode(value.join("="))] as const;
  });
  // By name, then by value: as one string, `a-b=` would come before `a=`.
  const order = encoded.toSorted(([name, value], [otherName, otherValue]) =>
    name === otherName ? compare(value, otherValue) : compare(name, otherName),
  );
  return order.map((pair) => pair.join("=")).join("&");
}

/** By code point, where localeCompare would go by the language. */
function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** Percent-encodes everything but RFC 3986's unreserved characters, once. */
function reencode(text: string): string {
  return encodeURIComponent(decodeURIComponent(text)).replaceAll(/[!'()*]/g, percentEncode);
}

function percentEncode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** The signature that a request should carry, in hexadecimal. */
export function signatureOf(request: SignedRequest, claim: Claim, secret: string): string {
  const { scope, date } = claim;
  const path = [scope.date, scope.region, scope.service, scope.end];
  const key = path.reduce<string | Buffer>((derived, part) => hmac(derived, part), `AWS4${secret}`);
  return hmac(key, [ALGORITHM, date, path.join("/"), sha256(canonicalRequest(request, claim))].join("\n")).toString(
    "hex",
  );
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

function isEqual(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}
