// What a request says about its signature, before any of it is believed: out of the Authorization header, or out of
// the query of a presigned URL.
import { incompleteSignature, StsError } from "./error.ts";

export const ALGORITHM = "AWS4-HMAC-SHA256";

export interface SignedRequest {
  readonly method: string;
  /** As sent, without the question mark. */
  readonly query: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** What a request says about its signature, before any of it is believed. */
export interface Claim {
  readonly accessKeyId: string;
  readonly scope: { readonly date: string; readonly region: string; readonly service: string; readonly end: string };
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly date: string;
  readonly token: string | undefined;
  /** Seconds; of a presigned URL only. */
  readonly expires: number | undefined;
}

/** The access key id a request names, whether or not its signature holds. */
export function claimedKeyId(request: SignedRequest): string | undefined {
  const credential = request.headers.get("authorization") ?? new URLSearchParams(request.query).get("X-Amz-Credential");
  return /(?:Credential=|^)([A-Z0-9]+)\//.exec(credential ?? "")?.[1];
}

/** @throws StsError if the request carries no signature, or only part of one. */
export function readClaim(request: SignedRequest): Claim {
  const header = request.headers.get("authorization");
  if (header !== null) return readHeader(header, request.headers);
  const query = new URLSearchParams(request.query);
  if (query.has("X-Amz-Signature") || query.has("X-Amz-Credential")) return readPresigned(query);
  throw new StsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403);
}

function readHeader(header: string, headers: Headers): Claim {
  if (!header.startsWith(`${ALGORITHM} `))
    throw incompleteSignature(`Unsupported AWS 'algorithm': '${header.split(" ")[0]}'.`);
  const parts = new Map<string, string>();
  for (const part of header.slice(ALGORITHM.length + 1).split(",")) {
    const [name = "", ...value] = part.trim().split("=");
    parts.set(name, value.join("="));
  }
  const missing = ["Credential", "SignedHeaders", "Signature"].filter((name) => !parts.get(name));
  const complaints = missing.map((name) => `Authorization header requires '${name}' parameter.`);
  const date = headers.get("x-amz-date");
  if (date === null)
    complaints.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  if (complaints.length > 0) throw incompleteSignature(complaints.join(" "));
  return {
    ...readCredential(parts.get("Credential")!),
    signedHeaders: parts.get("SignedHeaders")!.split(";"),
    signature: parts.get("Signature")!,
    date: date!,
    token: headers.get("x-amz-security-token") ?? undefined,
    expires: undefined,
  };
}

function readPresigned(query: URLSearchParams): Claim {
  const needed = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"];
  const missing = needed.filter((name) => !query.get(`X-Amz-${name}`));
  if (missing.length > 0) {
    throw incompleteSignature(
      missing.map((name) => `AWS query-string parameters must include 'X-Amz-${name}'.`).join(" "),
    );
  }
  const value = (name: string) => query.get(`X-Amz-${name}`)!;
  if (value("Algorithm") !== ALGORITHM)
    throw incompleteSignature(`Unsupported AWS 'algorithm': '${value("Algorithm")}'.`);
  return {
    ...readCredential(value("Credential")),
    signedHeaders: value("SignedHeaders").split(";"),
    signature: value("Signature"),
    date: value("Date"),
    token: query.get("X-Amz-Security-Token") ?? undefined,
    expires: Number(value("Expires")),
  };
}

function readCredential(credential: string): Pick<Claim, "accessKeyId" | "scope"> {
  const [accessKeyId, date, region, service, end, ...rest] = credential.split("/");
  if (!accessKeyId || !date || !region || !service || !end || rest.length > 0) {
    throw incompleteSignature(
      `Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '${credential}'`,
    );
  }
  return { accessKeyId, scope: { date, region, service, end } };
}
