// What happens to a request: its signature is checked, its operation judged, and what may pass is signed anew.
import type net from "node:net";
import type { PeerIdentity } from "../native/native.ts";
import { codeOf } from "../errors.ts";
import { type Budget, readWhole, TooLarge, WrongHash, WrongLength } from "./body.ts";
import { ChunkError } from "./chunks.ts";
import { bareQuery, check, checkForm, claimOf, payloadOf, Refused, refused } from "./claim.ts";
import type { Exchange } from "./exchange.ts";
import { type EndpointSettings, hostPrefixOf, regionOf, type Upstream, upstreamOf } from "./host.ts";
import { type Asked, type Named, nameOperations, needsBody } from "./operation.ts";
import { judge, type Policy, type Refusal } from "./policy.ts";
import { answerOf, type Failure } from "./refusal.ts";
import { isInBody, resourcesOf } from "./resource.ts";
import { send } from "./send.ts";
import { type Keys, readClaim, sha256 } from "./sigv4.ts";
import { type Service, servicesAt, servicesOfForms } from "./table.ts";
import { Unreachable, type Way } from "./ways.ts";

/** Characters of a text in a record: a bucket's name and a key. */
const MOST_RECORDED = 1_100;

/** One line of the audit. */
export interface Entry {
  /** Undefined over a port, which does not tell. */
  readonly peer: PeerIdentity | undefined;
  readonly operation: string | undefined;
  readonly resource: string | undefined;
  readonly region: string | undefined;
  readonly status: number;
  /** Of bodies. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly ms: number;
  /** AWS's, as CloudTrail has it. */
  readonly requestId: string | undefined;
  readonly refused: Refusal | "signature" | "rate" | "credentials" | undefined;
}

export interface Signer {
  /** The keys that the sandbox has: good for nothing else. */
  readonly dummy: Keys;
  readonly policy: Policy;
  readonly endpoints: EndpointSettings;
  /** Those to sign with. @throws with a text that a holder may be told */
  credentials(): Promise<Keys>;
  /** Waits for the grant's rate. @throws KeyholeError `throttled` */
  take(): Promise<void>;
  /** Asks the owner. */
  confirm(operation: string, resource: string | undefined): Promise<boolean>;
  record(entry: Entry): void;
  /** Who connected. */
  identify(socket: net.Socket): PeerIdentity | undefined;
  /** Milliseconds since the epoch. */
  now(): number;
  readonly budget: Budget;
  /** @throws Unreachable */
  wayTo(upstream: Upstream): Way;
}

/** What is known of a request so far; written down however it ends. */
export interface Progress {
  services: readonly Service[];
  named: readonly Named[];
  resources: readonly string[] | undefined;
  region: string | undefined;
  status: number;
  bytesUp: number;
  bytesDown: number;
  requestId: string | undefined;
  refused: Entry["refused"];
}

export async function serve(signer: Signer, exchange: Exchange, peer: PeerIdentity | undefined): Promise<void> {
  const began = signer.now();
  const progress: Progress = {
    services: [],
    named: [],
    resources: undefined,
    region: undefined,
    status: 0,
    bytesUp: 0,
    bytesDown: 0,
    requestId: undefined,
    refused: undefined,
  };
  try {
    await pass(signer, exchange, progress);
  } catch (error) {
    const failure = failureOf(error);
    progress.status = failure.status;
    if (error instanceof Refused) progress.refused = error.by;
    if (exchange.hasAnswered) exchange.cut();
    else await refuse(exchange, failure, progress.services[0]);
  } finally {
    signer.record({
      peer,
      operation: cut(progress.named.map(({ operation }) => operation.title).join(" or ") || undefined),
      resource: cut(progress.resources?.join(" ")),
      region: cut(progress.region),
      status: progress.status,
      bytesUp: progress.bytesUp,
      bytesDown: progress.bytesDown,
      ms: signer.now() - began,
      requestId: cut(progress.requestId),
      refused: progress.refused,
    });
  }
}

/** A hundred records must fit into a line, and a client chooses how long their texts are. */
const cut = (text: string | undefined) => text?.slice(0, MOST_RECORDED);

function failureOf(error: unknown): Failure {
  if (error instanceof Refused) return error.failure;
  if (error instanceof TooLarge)
    return {
      status: 413,
      code: "RequestEntityTooLarge",
      message: `${error.message}; send its hash (x-amz-content-sha256), or less`,
    };
  if (error instanceof WrongHash) return { status: 400, code: "XAmzContentSHA256Mismatch", message: error.message };
  if (error instanceof WrongLength) return { status: 400, code: "IncompleteBody", message: error.message };
  if (error instanceof ChunkError) return { status: 403, code: "SignatureDoesNotMatch", message: error.message };
  const said = error instanceof Unreachable ? error.message : (codeOf(error) ?? "the connection failed");
  return { status: 503, code: "ServiceUnavailable", message: `AWS cannot be reached: ${said}` };
}

/** The connection is closed behind it where a body was not read: the rest must not be taken for a request. */
async function refuse(exchange: Exchange, failure: Failure, service: Service | undefined): Promise<void> {
  const { status, headers, body } = answerOf(failure, exchange.request, service);
  const hasBody = exchange.request.headers.some(([name]) => name === "content-length" || name === "transfer-encoding");
  const out = exchange.answer(status, [
    ...Object.entries(headers),
    ["content-length", String(body.length)],
    ...(hasBody ? [["connection", "close"] as const] : []),
  ]);
  await new Promise<void>((resolve) => out.end(body, () => resolve()));
}

async function pass(signer: Signer, exchange: Exchange, progress: Progress): Promise<void> {
  const { request } = exchange;
  checkForm(request);
  const [, prefix = "", rest = ""] = /^\/([^/]*)(.*)$/s.exec(request.path) ?? [];
  // The AWS SDK for Java leaves the endpoint's path out where its requests are forms.
  progress.services = request.path === "/" ? servicesOfForms(readClaim(request)?.scope.service) : servicesAt(prefix);
  const [first] = progress.services;
  if (first === undefined) throw refused("unnamed", 404, "UnknownEndpoint", `no service of AWS is at /${prefix}`);
  const claim = claimOf(request, progress.services, signer);
  progress.region = regionOf(claim.scope.region);

  const payload = payloadOf(request, claim);
  const readsBody =
    payload === undefined ||
    needsBody(request, progress.services) ||
    prefix === "sqs" ||
    (isInBody(first.name) && signer.policy.resources.length > 0);
  // Its headers are checked before its body is asked for, where they are all that was signed.
  let verified = payload === undefined ? undefined : check(request, claim, payload, signer);
  let body: Buffer | undefined;
  let held = 0;
  try {
    if (readsBody) {
      exchange.proceed();
      exchange.limitBody(true);
      body = await readWhole(exchange.body, signer.budget);
      held = body.length;
      progress.bytesUp = held;
      const hash = sha256(body);
      if (payload !== undefined && /^[0-9a-f]{64}$/.test(payload) && payload !== hash)
        throw new WrongHash("the body is not the one whose hash was signed");
      verified ??= check(request, claim, hash, signer);
    }
    const asked: Asked = { ...request, path: rest === "" ? "/" : rest, query: bareQuery(request, claim), body };
    await takeTurn(signer);
    await judgeRequest(signer, asked, progress);
    const { service } = progress.named[0]!.operation;
    const upstream = placeOf(signer, service, asked, progress);
    const keys = await keysOf(signer);
    if (!readsBody) {
      exchange.proceed();
      exchange.limitBody(false);
    }
    await send(signer, exchange, progress, { asked, upstream, keys, payload, verified: verified!, claim, service });
  } finally {
    signer.budget.give(held);
  }
}

/** @throws Refused with what a holder may be told */
async function keysOf(signer: Signer): Promise<Keys> {
  try {
    return await signer.credentials();
  } catch (error) {
    throw refused("credentials", 503, "ServiceUnavailable", error instanceof Error ? error.message : "no credentials");
  }
}

async function takeTurn(signer: Signer): Promise<void> {
  try {
    await signer.take();
  } catch {
    throw refused("rate", 503, "SlowDown", "more requests than this grant's rate (--rate)");
  }
}

async function judgeRequest(signer: Signer, asked: Asked, progress: Progress): Promise<void> {
  progress.named = nameOperations(asked, progress.services);
  const streams = progress.named.find(({ operation }) => operation.streamsUp);
  if (streams !== undefined)
    throw refused(
      "unnamed",
      501,
      "NotImplemented",
      `${streams.operation.title} signs each event of its body, which keyhole cannot do anew`,
    );
  const judged = progress.named.map((named) => ({ ...named, resources: resourcesOf(named, asked) }));
  const resources = [...new Set(judged.flatMap((each) => each.resources ?? []))];
  progress.resources = resources.length === 0 ? undefined : resources;
  const verdict = judge(signer.policy, judged, progress.region!);
  if (!verdict.allowed) throw refused(verdict.by, 403, "AccessDeniedException", verdict.why);
  if (!verdict.confirm) return;
  const title = progress.named.map(({ operation }) => operation.title).join(" or ");
  if (!(await signer.confirm(title, progress.resources?.join(" "))))
    throw refused("deny", 403, "AccessDeniedException", `the owner of this grant did not confirm ${title}`);
}

function placeOf(signer: Signer, service: Service, asked: Asked, { region, named }: Progress): Upstream {
  const upstream = upstreamOf(service, region!, signer.endpoints);
  if (typeof upstream === "string") throw refused("region", 400, "InvalidRequest", upstream);
  const prefix = hostPrefixOf(named[0]!.operation, named[0]!.labels, asked.headers);
  if (typeof prefix === "string") throw refused("unnamed", 501, "NotImplemented", prefix);
  // An endpoint that the config names is a server of its own, where AWS's labels lead nowhere.
  const isAws = signer.endpoints.services[service.id] === undefined && signer.endpoints.url === undefined;
  return isAws ? { ...upstream, host: `${prefix.prefix}${upstream.host}` } : upstream;
}
