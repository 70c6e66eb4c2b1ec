// Signature Version 4, on a request's bytes as the client wrote them: what was signed must be what is sent on.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export const ALGORITHM = "AWS4-HMAC-SHA256";
/** How far a client's clock may be off, as AWS has it. */
export const MAX_SKEW_MS = 300_000;
export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

/** A name in lower case, and its value. */
export type Header = readonly [name: string, value: string];

export interface Request {
  readonly method: string;
  /** Of the request line, as it stands there: without the query. */
  readonly path: string;
  /** Without its `?`; "" where there is none. */
  readonly query: string;
  readonly headers: readonly Header[];
}

export interface Scope {
  /** YYYYMMDD. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

/** What a request says of its signature. */
export interface Claim {
  readonly accessKeyId: string;
  readonly scope: Scope;
  /** YYYYMMDDTHHMMSSZ. */
  readonly time: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** In the query, not in a header. */
  readonly isPresigned: boolean;
}

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** How the path is written in the canonical request: S3 takes it as it is, or encoded anew; all others encode it once more. */
export type PathForm = "as-is" | "encoded" | "twice";

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 +Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request, *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})$/;
const CREDENTIAL = /^([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request$/;
const TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** @returns undefined where there is no signature, or one that is not of this form */
export function readClaim({ headers, query }: Request): Claim | undefined {
  const authorization = headers.filter(([name]) => name === "authorization").map(([, value]) => value);
  const parameters = parseQuery(query);
  const inQuery = parameters.some(([name]) => name === "X-Amz-Signature");
  if (authorization.length + (inQuery ? 1 : 0) !== 1) return undefined;
  if (!inQuery) {
    const found = AUTHORIZATION.exec(authorization[0]!);
    const time = only(headers, "x-amz-date");
    if (found === null || time === undefined) return undefined;
    const [, accessKeyId, date, region, service, signed, signature] = found as unknown as string[];
    const scope = { date: date!, region: region!, service: service! };
    return {
      accessKeyId: accessKeyId!,
      scope,
      time,
      signedHeaders: signed!.split(";"),
      signature: signature!,
      isPresigned: false,
    };
  }
  const value = (name: string) => only(parameters, name);
  const found = CREDENTIAL.exec(value("X-Amz-Credential") ?? "");
  const [time, signed, signature] = [value("X-Amz-Date"), value("X-Amz-SignedHeaders"), value("X-Amz-Signature")];
  if (
    found === null ||
    value("X-Amz-Algorithm") !== ALGORITHM ||
    time === undefined ||
    signed === undefined ||
    !/^[0-9a-f]{64}$/.test(signature ?? "")
  )
    return undefined;
  const [, accessKeyId, date, region, service] = found as unknown as string[];
  const scope = { date: date!, region: region!, service: service! };
  return {
    accessKeyId: accessKeyId!,
    scope,
    time,
    signedHeaders: signed.split(";"),
    signature: signature!,
    isPresigned: true,
  };
}

/** Milliseconds since the epoch; undefined where it is none, or not of the scope's day. */
export function timeOf({ time, scope }: Claim): number | undefined {
  const found = TIME.exec(time);
  if (found === null || !time.startsWith(scope.date)) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** What follows from a signature that holds: how its client writes paths, and what its chunks are chained to. */
export interface Verified {
  readonly pathForm: PathForm;
  readonly signingKey: Buffer;
}

/** In constant time. @returns undefined where the signature is not that of these keys */
export function verify(
  request: Request,
  claim: Claim,
  payloadHash: string,
  secretAccessKey: string,
): Verified | undefined {
  const signingKey = signingKeyOf(secretAccessKey, claim.scope);
  const forms: readonly PathForm[] = claim.scope.service.startsWith("s3") ? ["as-is", "encoded"] : ["twice"];
  const query = claim.isPresigned ? withoutParameter(request.query, "X-Amz-Signature") : request.query;
  const headers = request.headers.filter(([name]) => claim.signedHeaders.includes(name));
  let verified: Verified | undefined;
  for (const pathForm of forms) {
    const text = canonicalRequest({ ...request, query, headers }, claim.signedHeaders, pathForm, payloadHash);
    const expected = sign(signingKey, stringToSign(claim.time, claim.scope, text));
    if (timingSafeEqual(Buffer.from(expected), Buffer.from(claim.signature))) verified ??= { pathForm, signingKey };
  }
  return verified;
}

/** What is to be sent: the request with its new signature in a header. */
export interface Signed {
  readonly headers: readonly Header[];
  readonly signature: string;
  readonly signingKey: Buffer;
  readonly time: string;
  readonly scope: Scope;
}

/** Signs all headers that are given. The path and the query are sent as they are given. */
export function signRequest(
  request: Request,
  {
    keys,
    scope,
    now,
    pathForm,
    payloadHash,
  }: {
    readonly keys: Keys;
    readonly scope: Omit<Scope, "date">;
    /** Milliseconds since the epoch. */
    readonly now: number;
    readonly pathForm: PathForm;
    readonly payloadHash: string;
  },
): Signed {
  const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const dated = { ...scope, date: time.slice(0, 8) };
  const headers: Header[] = [...request.headers, ["x-amz-date", time]];
  if (keys.sessionToken !== undefined) headers.push(["x-amz-security-token", keys.sessionToken]);
  const names = [...new Set(headers.map(([name]) => name))].toSorted();
  const signingKey = signingKeyOf(keys.secretAccessKey, dated);
  const text = canonicalRequest({ ...request, headers }, names, pathForm, payloadHash);
  const signature = sign(signingKey, stringToSign(time, dated, text));
  const credential = `${keys.accessKeyId}/${scopeText(dated)}`;
  headers.push([
    "authorization",
    `${ALGORITHM} Credential=${credential}, SignedHeaders=${names.join(";")}, Signature=${signature}`,
  ]);
  return { headers, signature, signingKey, time, scope: dated };
}

export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

export function sign(key: Buffer, text: string): string {
  return createHmac("sha256", key).update(text).digest("hex");
}

export function scopeText({ date, region, service }: Scope): string {
  return `${date}/${region}/${service}/aws4_request`;
}

/** Names and values, decoded, in their order. `+` is itself. Text that is no percent-encoding stays as it is. */
export function parseQuery(query: string): Header[] {
  if (query === "") return [];
  return query.split("&").map((part) => {
    const at = part.indexOf("=");
    return at === -1 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))];
  });
}

/** Takes a parameter out, and leaves every other byte. */
export function withoutParameter(query: string, ...names: readonly string[]): string {
  return query
    .split("&")
    .filter((part) => !names.includes(decode(part.split("=", 1)[0]!)))
    .join("&");
}

export function only(pairs: readonly Header[], wanted: string): string | undefined {
  const found = pairs.filter(([name]) => name === wanted);
  return found.length === 1 ? found[0]![1] : undefined;
}

function canonicalRequest(
  request: Request,
  signedHeaders: readonly string[],
  form: PathForm,
  payloadHash: string,
): string {
  const lines = signedHeaders.map((wanted) => {
    const values = request.headers
      .filter(([name]) => name === wanted)
      .map(([, value]) => value.trim().replaceAll(/ +/g, " "));
    return `${wanted}:${values.join(",")}\n`;
  });
  const query = parseQuery(request.query)
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  return [
    request.method,
    canonicalPath(request.path, form),
    query,
    lines.join(""),
    signedHeaders.join(";"),
    payloadHash,
  ].join("\n");
}

function canonicalPath(path: string, form: PathForm): string {
  if (form === "as-is") return path;
  if (form === "encoded") return encode(decode(path)).replaceAll("%2F", "/");
  return encode(normalize(path)).replaceAll("%2F", "/");
}

/** RFC 3986, 5.2.4, and one slash for many. */
export function normalize(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  return `/${kept.join("/")}${path.endsWith("/") && kept.length > 0 ? "/" : ""}`;
}

function stringToSign(time: string, scope: Scope, canonical: string): string {
  return [ALGORITHM, time, scopeText(scope), sha256(Buffer.from(canonical, "latin1"))].join("\n");
}

function signingKeyOf(secret: string, { date, region, service }: Scope): Buffer {
  let key: Buffer = Buffer.from(`AWS4${secret}`);
  for (const part of [date, region, service, "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  return key;
}

/** Bytes as characters of Latin-1, so that what is no UTF-8 stays what it is. */
function decode(text: string): string {
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The text that encoded bytes are; what of them is no UTF-8 becomes U+FFFD, and hides nothing beside it. */
export function decodeText(text: string): string {
  return Buffer.from(decode(text), "latin1").toString();
}

function encode(text: string): string {
  return text.replaceAll(
    /[^A-Za-z0-9\-._~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
