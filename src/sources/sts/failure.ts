// How a call to STS can fail, in a form that crosses a pipe. Knows the SDK's errors by their shape and loads none of it.
import { codeOf } from "../../errors.ts";

/** An error as STS states it. */
export interface ServiceError {
  readonly code: string;
  readonly message: string;
  readonly status: number;
}

/** Whom an attempt did not reach. */
interface Way {
  readonly host: string | undefined;
  /** Without user and password. */
  readonly proxy: string | undefined;
  /** A proxy's own refusal. */
  readonly status: number | undefined;
}

const UNKNOWN_WAY: Way = { host: undefined, proxy: undefined, status: undefined };

export type StsFailure =
  | ({ readonly kind: "refused" } & ServiceError)
  /** Nothing usable came back; the message is in our words. */
  | ({ readonly kind: "unanswered"; readonly message: string } & Way)
  /** The certificate; the code is OpenSSL's, the issuer what the certificate itself says. */
  | { readonly kind: "untrusted"; readonly code: string; readonly issuer: string | undefined; readonly way: Way }
  /** The SDK finds no endpoint; its message only quotes what the config or the requester said. */
  | { readonly kind: "no-endpoint"; readonly message: string }
  /** An answer of STS in which something is missing, or is nothing that it could be. */
  | { readonly kind: "unusable"; readonly field: string }
  /** The answer was no longer wanted. */
  | { readonly kind: "aborted" }
  /** Something answered, and it was not STS. */
  | { readonly kind: "unreadable" };

/** When an answer was had, and what time it said it was. Milliseconds since the epoch. */
export interface Exchange {
  readonly sentAt: number;
  readonly receivedAt: number;
  /** AWS's clock, whole seconds; undefined without a readable Date header. */
  readonly date: number | undefined;
}

/** What a StsTransport throws. Its message is never shown; refusal.ts makes one. */
export class StsFailed extends Error {
  override readonly name = "StsFailed";
  readonly failure: StsFailure;
  /** Of the last answer, if there was one. */
  readonly exchange: Exchange | undefined;

  constructor(failure: StsFailure, exchange?: Exchange) {
    super(failure.kind);
    this.failure = failure;
    this.exchange = exchange;
  }
}

/** Nothing usable came back: refused, cut, too late, too long. The SDK retries whatever bears this name. */
export class Unanswered extends Error {
  override readonly name = "TimeoutError";
  readonly way: Way;

  constructor(message: string, way: Way = UNKNOWN_WAY) {
    super(message);
    this.way = way;
  }
}

/** The certificate that a host, or a proxy in its place, showed is not trusted. */
export class Untrusted extends Error {
  override readonly name = "Untrusted";
  readonly code: string;
  readonly issuer: string | undefined;
  readonly way: Way;

  constructor(code: string, issuer: string | undefined, way: Way) {
    super(code);
    this.code = code;
    this.issuer = issuer;
    this.way = way;
  }
}

/** What went wrong, thrown by a transport, the SDK or handler.ts. */
export function failureOf(error: unknown): StsFailure {
  if (error instanceof StsFailed) return error.failure;
  const refused = readServiceError(error);
  if (refused) return { kind: "refused", ...refused };
  if (error instanceof Unanswered) return { kind: "unanswered", message: error.message, ...error.way };
  if (error instanceof Untrusted) return { kind: "untrusted", code: error.code, issuer: error.issuer, way: error.way };
  if (isCertificateError(error))
    return { kind: "untrusted", code: codeOf(error) ?? "", issuer: undefined, way: UNKNOWN_WAY };
  if (!(error instanceof Error)) return { kind: "unreadable" };
  // The SDK's ruleset and its check of the region.
  if (/^(Invalid Configuration|Region not accepted|FIPS |DualStack )/.test(error.message))
    return { kind: "no-endpoint", message: error.message };
  return { kind: error.name === "AbortError" ? "aborted" : "unreadable" };
}

/** STS's own error, or undefined where STS did not speak: no answer, or one that is not STS's. */
export function serviceErrorOf(error: unknown): ServiceError | undefined {
  const failure = failureOf(error);
  return failure.kind === "refused" ? failure : undefined;
}

function readServiceError(error: unknown): ServiceError | undefined {
  if (!(error instanceof Error) || !("$metadata" in error) || !("$fault" in error)) return undefined;
  const status = (error.$metadata as { httpStatusCode?: unknown } | undefined)?.httpStatusCode;
  // The SDK names an answer without an error code so.
  if (typeof status !== "number" || error.name === "Unknown" || error.name === "UnknownError") return undefined;
  // Nor a message.
  const message = error.message === "UnknownError" ? "" : error.message.slice(0, LONGEST_MESSAGE);
  return { code: error.name.slice(0, LONGEST_CODE), message, status };
}

/** Characters; AWS's longest are about 40 and 2,000, and an answer may have 1 MiB. */
const LONGEST_CODE = 128;
const LONGEST_MESSAGE = 8000;

/** A certificate that is not trusted now will not be trusted at the next attempt. */
export function isCertificateError(error: unknown): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(codeOf(error) ?? "");
}
