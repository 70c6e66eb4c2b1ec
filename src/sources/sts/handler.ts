// HTTP towards AWS: Bun's fetch behind the SDK's handler, because it alone honours HTTPS_PROXY and NO_PROXY under Bun,
// with the deadlines, the size limit and the certificates that neither of the two has.
import { rootCertificates } from "node:tls";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";
import type { Clock } from "../../clock.ts";
import { codeOf } from "../../errors.ts";
import { type Exchange, isCertificateError, Unanswered, Untrusted } from "./failure.ts";
import { type Proxies, proxyFor, proxyHostOf } from "./proxy.ts";
import { canConnect, issuerOf } from "./reach.ts";
import type { Tls } from "./target.ts";

/** An attempt in all, in milliseconds: connecting, asking and the whole answer. */
const ATTEMPT_DEADLINE = 10_000;
/** Milliseconds after which a connection must stand, the last of which are for finding out. */
const CONNECT_DEADLINE = 3_000;
const PROBE_DEADLINE = 1_000;
/** What STS says fits into a few KiB; a session token has no limit that AWS would state. */
const LARGEST_ANSWER = 1024 * 1024;

export interface HandlerOptions {
  readonly clock: Clock;
  readonly tls: Tls;
  readonly proxies: Proxies;
  readonly onAnswer?: ((exchange: Exchange, status: number) => void) | undefined;
  /** Called for an attempt that had no answer. */
  readonly onFailure?: ((failure: unknown) => void) | undefined;
}

export function createHandler(options: HandlerOptions): FetchHttpHandler {
  const customFetch = (request: Request): Promise<Response> =>
    attempt(options.tls.enabled ? request : plain(request), options);
  return new FetchHttpHandler({ customFetch: customFetch as typeof fetch });
}

async function attempt(request: Request, options: HandlerOptions): Promise<Response> {
  const { clock, tls, proxies, onAnswer, onFailure } = options;
  const proxy = proxyFor(new URL(request.url), proxies);
  const late = new AbortController();
  const timers = [
    clock.after(ATTEMPT_DEADLINE, () => late.abort(new Unanswered(`nothing within ${ATTEMPT_DEADLINE / 1000} s`))),
    // A proxy connects in keyhole's stead, so that nothing can be said about the host itself.
    ...(proxy === undefined
      ? [clock.after(CONNECT_DEADLINE - PROBE_DEADLINE, () => void abortIfUnreachable(request, clock, late))]
      : []),
  ];
  const sentAt = clock.wall();
  try {
    const response = await fetch(request, {
      signal: AbortSignal.any([request.signal, late.signal]),
      // A signed request is for one host only; a server that redirects it (a captive portal) is not STS.
      redirect: "manual",
      // Otherwise BUN_CONFIG_VERBOSE_FETCH would print signed headers.
      verbose: false,
      ...(proxy === undefined ? {} : { proxy }),
      tls: { rejectUnauthorized: tls.verify, ...trusted(tls) },
    });
    const body = asStsError(await readBody(response), response.status);
    onAnswer?.({ sentAt, receivedAt: clock.wall(), date: dateOf(response) }, response.status);
    return new Response(body.length === 0 ? null : body, { status: response.status, headers: response.headers });
  } catch (error) {
    if (request.signal.aborted) throw error;
    const failure = isCertificateError(error)
      ? await asUntrusted(error, new URL(request.url), proxy, clock)
      : asUnanswered(error, new URL(request.url).hostname, proxy);
    onFailure?.(failure);
    throw failure;
  } finally {
    for (const timer of timers) timer.cancel();
  }
}

/** Asked only when an answer is slow: in the ordinary case there is one connection, and no other. */
async function abortIfUnreachable(request: Request, clock: Clock, late: AbortController): Promise<void> {
  if (await canConnect(new URL(request.url), PROBE_DEADLINE, clock)) return;
  late.abort(new Unanswered(`no connection within ${CONNECT_DEADLINE / 1000} s`));
}

function trusted({ ca, extraCa }: Tls): { readonly ca?: string | string[] } {
  if (ca !== undefined) return { ca };
  return extraCa === undefined ? {} : { ca: [...rootCertificates, extraCa] };
}

function plain(request: Request): Request {
  return new Request(request.url.replace(/^https:/, "http:"), request);
}

async function readBody(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop cancels the stream, and with it the connection.
    if (length > LARGEST_ANSWER) throw new Unanswered("the answer is longer than 1 MiB");
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** Ceph RGW's STS refuses in S3's shape, in which the SDK's reader finds no code: put into STS's. */
function asStsError(body: Uint8Array<ArrayBuffer>, status: number): Uint8Array<ArrayBuffer> {
  if (status < 400) return body;
  const [, error] = /^(?:<\?xml[^>]*\?>)?\s*(<Error>.*<\/Error>)\s*$/s.exec(new TextDecoder().decode(body)) ?? [];
  return error === undefined ? body : new TextEncoder().encode(`<ErrorResponse>${error}</ErrorResponse>`);
}

function dateOf(response: Response): number | undefined {
  const date = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(date) ? undefined : date;
}

function asUnanswered(error: unknown, host: string, used: string | undefined): Unanswered {
  const what = error instanceof Unanswered ? error.message : codeOf(error) || "the connection failed";
  const proxy = used === undefined ? undefined : proxyHostOf(used);
  // Bun's, of a proxy that answers and makes no tunnel.
  const { status } = (what === "ERR_PROXY_TUNNEL" ? error : {}) as { readonly status?: number };
  return new Unanswered(proxy === undefined ? what : `${what} through the proxy ${proxy}`, { host, proxy, status });
}

/** Bun says what is wrong with a certificate, and nothing of the certificate: it is looked at again. */
async function asUntrusted(error: unknown, url: URL, used: string | undefined, clock: Clock): Promise<Untrusted> {
  const proxy = used === undefined ? undefined : proxyHostOf(used);
  const issuer = await issuerOf(url, used, PROBE_DEADLINE, clock);
  return new Untrusted(codeOf(error) ?? "", issuer, { host: url.hostname, proxy, status: undefined });
}
