// The container credentials endpoint, on this network namespace's loopback alone, for clients that know the token.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
import { timingSafeEqual } from "node:crypto";
import { codeOf, type ErrorName, errors, KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { parseProcessLine } from "./formats.ts";
import { regionVariables, withoutRivals } from "../../environment.ts";

/** SDKs take plain HTTP from loopback addresses alone; a name such as `localhost` may resolve to anything. */
const ADDRESS = "127.0.0.1";
const PATH = "/credentials";
/** RFC 9110, 4.2.1: the port that clients leave out of `Host`. */
const HTTP_PORT = 80;

/** Bytes; 256 bits, which cannot be guessed. */
const TOKEN_BYTES = 32;

/** Seconds: a connection that sends nothing ends by then; one that sends byte by byte within about four of them. */
const IDLE_SECONDS = 5;
/** Seconds beyond the wait for the grant, so that its own error is what a caller reads; Bun takes up to 255. */
const MARGIN_SECONDS = 5;
const LONGEST_SECONDS = 255;
/** Bytes; 0 would mean the default. */
const LARGEST_BODY = 1;

/** What an SDK must be told. */
export interface Endpoint {
  readonly url: string;
  /** A secret: the value of the `Authorization` header. */
  readonly token: string;
}

export interface Relay extends Endpoint {
  /** Ends it at once, whatever it is answering. */
  stop(): void;
}

export interface RelayOptions {
  /** 0 for one that is free. */
  readonly port: number;
  /** Asks for credentials. @throws KeyholeError */
  readonly fetch: () => Promise<{ readonly line: Uint8Array }>;
  /** How long `fetch` may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** @throws KeyholeError `usage` for a port that is taken, `blocked` where nothing may listen. */
export function startRelay({ port, fetch, timeoutMs }: RelayOptions): Relay {
  const token = Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url");
  const ask = shareFlight(fetch);
  const patience = Math.min(Math.ceil(timeoutMs / 1000) + MARGIN_SECONDS, LONGEST_SECONDS);

  const server = bind(port, async (request, self) => {
    const refusal = refuse(request, self.port ?? 0, token);
    if (refusal !== undefined) return refusal;
    self.timeout(request, patience);
    try {
      const { line } = await ask();
      return answer(200, credentialsOf(line));
    } catch (error) {
      const { status, code, message } = refusalOf(keyholeErrorOf(error).kind);
      return answer(status, errorOf(code, message));
    }
  });
  return {
    url: `http://${ADDRESS}:${server.port}${PATH}`,
    token,
    stop: () => void server.stop(true),
  };
}

type Server = Bun.Server<undefined>;

function bind(port: number, fetch: (request: Request, server: Server) => Promise<Response>): Server {
  try {
    return Bun.serve({
      hostname: ADDRESS,
      port,
      idleTimeout: IDLE_SECONDS,
      maxRequestBodySize: LARGEST_BODY,
      // Else Bun 1.4.5 lets another process of this user share the port, and be sent the token.
      reusePort: false,
      development: false,
      fetch,
      error: () => answer(500, errorOf("internal", "the relay failed")),
    });
  } catch (error) {
    const code = codeOf(error) ?? "unknown";
    const hint = "keyhole relay --port 0";
    if (code === "EADDRINUSE") throw new KeyholeError("usage", `port ${port} of ${ADDRESS} is taken`, hint);
    throw new KeyholeError("blocked", `nothing may listen at port ${port} of ${ADDRESS} (${code})`, hint);
  }
}

/**
 * What is not answered, in the order in which it must be told: a page of a browser that a name led here (DNS rebinding)
 * has another `Host`; without the token a client learns nothing of what there is.
 */
function refuse(request: Request, port: number, token: string): Response | undefined {
  const host = request.headers.get("host");
  const own = `${ADDRESS}:${port}`;
  if (host !== own && !(port === HTTP_PORT && host === ADDRESS)) return answer(403, errorOf("forbidden", "forbidden"));
  const given = request.headers.get("authorization");
  if (given === null) return answer(401, errorOf("unauthorized", "the authorization token is missing"));
  if (!isSame(given, token)) return answer(403, errorOf("forbidden", "forbidden"));
  if (request.url !== `http://${host}${PATH}`) return answer(404, errorOf("not-found", "there is nothing here"));
  if (request.method !== "GET") return answer(405, errorOf("method-not-allowed", "only GET is answered"));
  return undefined;
}

/** In a time that says nothing of how much of the token was right. */
function isSame(given: string, token: string): boolean {
  const bytes = Buffer.from(given);
  const expected = Buffer.from(token);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}

/** One question for all who ask while it is under way. */
export function shareFlight<Result>(ask: () => Promise<Result>): () => Promise<Result> {
  let flight: Promise<Result> | undefined;
  const fly = async () => {
    try {
      return await ask();
    } finally {
      flight = undefined;
    }
  };
  return () => (flight ??= fly());
}

/** The names that the SDKs' container providers read; all of the first four are required. */
function credentialsOf(line: Uint8Array): Record<string, string | undefined> {
  const credentials = parseProcessLine(line);
  return {
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    Token: credentials.sessionToken,
    Expiration: credentials.expiration,
    AccountId: credentials.accountId,
  };
}

/** In both spellings: ECS has the first, and the SDK for JavaScript reads the second. */
function errorOf(code: string, message: string): Record<string, string> {
  return { code, message, Code: code, Message: message };
}

function answer(status: number, body: Readonly<Record<string, string | undefined>>): Response {
  return Response.json(body, { status, headers: { "Cache-Control": "no-store" } });
}

export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export function refusalOf(kind: ErrorName): Refusal {
  const { passes, holder, inside } = errors[kind];
  const status = passes !== "never" ? 503 : kind === "internal" ? 500 : 403;
  return { status, code: kind, message: holder ?? inside ?? "no credentials" };
}

/**
 * No file. In most SDKs a config file's profile comes before the container endpoint, and so would a mounted one whose
 * `credential_process` needs a shell that is not there. Empty where it exists, and no regular file for those who ask.
 */
const NO_FILE = "/dev/null";

/** The variables that tell an SDK of the endpoint. */
export function endpointVariables({ url, token }: Endpoint): Record<string, string> {
  return { AWS_CONTAINER_CREDENTIALS_FULL_URI: url, AWS_CONTAINER_AUTHORIZATION_TOKEN: token };
}

/** What is inherited, without what would win over the endpoint, and without what would be asked where it refuses. */
export function relayedEnvironment(
  environment: Readonly<Record<string, string>>,
  endpoint: Endpoint,
  region: string | undefined,
): Record<string, string> {
  return {
    ...withoutRivals(environment),
    ...endpointVariables(endpoint),
    ...regionVariables(environment, region),
    AWS_CONFIG_FILE: NO_FILE,
    AWS_SHARED_CREDENTIALS_FILE: NO_FILE,
    AWS_EC2_METADATA_DISABLED: "true",
  };
}
