// A request on its way to AWS, and the answer on its way back. Neither is held: a body of any size passes in constant memory.
import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HashGuard, Resigned, WrongHash } from "./body.ts";
import { CHUNKED, CHUNKED_WITH_TRAILER, ChunkError, ChunkSigner } from "./chunks.ts";
import { type Exchange, HOP_BY_HOP } from "./exchange.ts";
import type { Upstream } from "./host.ts";
import type { Asked } from "./operation.ts";
import { QueueUrls } from "./queue-urls.ts";
import type { Progress, Signer } from "./serve.ts";
import {
  type Claim,
  type Header,
  type Keys,
  only,
  type Request,
  sha256,
  type Signed,
  signRequest,
  UNSIGNED_PAYLOAD,
  type Verified,
} from "./sigv4.ts";
import type { Service } from "./table.ts";

const UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

export interface Sending {
  readonly asked: Asked;
  readonly upstream: Upstream;
  readonly keys: Keys;
  readonly payload: string | undefined;
  readonly verified: Verified;
  readonly claim: Claim;
  readonly service: Service;
}

export async function send(signer: Signer, exchange: Exchange, progress: Progress, sending: Sending): Promise<void> {
  const { upstream, service, payload, keys, verified, claim } = sending;
  const urls = service.name === "sqs" ? new QueueUrls(exchange.request, upstream) : undefined;
  const body =
    urls === undefined || sending.asked.body === undefined ? sending.asked.body : urls.outwards(sending.asked.body);
  const authority = `${upstream.host}${upstream.port === undefined ? "" : `:${upstream.port}`}`;
  const passed = sending.asked.headers.filter(([name]) => !HOP_BY_HOP.has(name) && !REPLACED.has(name));
  const length = body === undefined ? only(sending.asked.headers, "content-length") : String(body.length);
  const payloadHash =
    body !== undefined && (payload === undefined || /^[0-9a-f]{64}$/.test(payload)) ? sha256(body) : payload!;
  const request: Request = {
    method: sending.asked.method,
    path: `${upstream.base}${sending.asked.path}`,
    query: sending.asked.query,
    headers: [
      ["host", authority],
      ...passed.filter(isSigned).filter(([name]) => name !== "x-amz-content-sha256"),
      ...(payload === undefined && service.signing !== "s3" ? [] : [["x-amz-content-sha256", payloadHash] as const]),
    ],
  };
  const signed = signRequest(request, {
    keys,
    scope: { region: upstream.region, service: service.signing },
    now: signer.now(),
    pathForm: verified.pathForm,
    payloadHash,
  });
  const headers = [...signed.headers, ...passed.filter((header) => !isSigned(header))];
  if (length !== undefined) headers.push(["content-length", length]);
  const out = (upstream.isTls ? https : http).request({
    agent: upstream.isTls ? signer.agents.https : signer.agents.http,
    host: upstream.host,
    servername: upstream.host,
    port: upstream.port ?? (upstream.isTls ? 443 : 80),
    method: request.method,
    path: `${request.path}${request.query === "" ? "" : `?${request.query}`}`,
    headers: headers.flat(),
    setHost: false,
  });
  exchange.onGone(() => out.destroy());
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    out.once("response", resolve);
    out.once("error", reject);
  });
  answered.catch(() => {});
  const uploaded = upload(exchange, out, body, { payload, verified, claim, signed }, progress);
  const answer = await firstOf(answered, uploaded);
  await download(exchange, answer, progress, urls);
}

const isSigned = ([name]: Header) => name.startsWith("x-amz-") || name === "content-type" || name === "content-md5";

/** An answer may come before all is sent. Where what is sent was wrong, that is the reason, and not that it was cut. */
async function firstOf<Answer>(answered: Promise<Answer>, uploaded: Promise<void>): Promise<Answer> {
  try {
    return await Promise.race([answered, uploaded.then(() => answered)]);
  } catch (error) {
    const [end] = await Promise.allSettled([uploaded]);
    const reason: unknown = end.status === "rejected" ? end.reason : undefined;
    throw reason instanceof WrongHash || reason instanceof ChunkError ? reason : error;
  }
}

/** What we write ourselves. */
const REPLACED: ReadonlySet<string> = new Set([
  "host",
  "authorization",
  "x-amz-date",
  "x-amz-security-token",
  "content-length",
  "expect",
  "date",
]);

async function upload(
  exchange: Exchange,
  out: http.ClientRequest,
  body: Buffer | undefined,
  { payload, verified, claim, signed }: Pick<Sending, "payload" | "verified" | "claim"> & { readonly signed: Signed },
  progress: Progress,
): Promise<void> {
  if (body !== undefined) {
    out.end(body);
    return;
  }
  const counted = (stream: Readable) => stream.on("data", (part: Buffer) => (progress.bytesUp += part.length));
  const isChunked = payload === CHUNKED || payload === CHUNKED_WITH_TRAILER;
  try {
    if (isChunked) {
      const from = { ...verified, ...claim };
      const chunks = new ChunkSigner(from, signed, payload === CHUNKED_WITH_TRAILER);
      await pipeline(counted(exchange.body), new Resigned(chunks), out);
    } else if (payload === UNSIGNED_PAYLOAD || payload === UNSIGNED_TRAILER)
      await pipeline(counted(exchange.body), out);
    else await pipeline(counted(exchange.body), new HashGuard(payload!), out);
  } catch (error) {
    // A server may answer before it has read all.
    out.destroy(error as Error);
    throw error;
  }
}

async function download(
  exchange: Exchange,
  answer: http.IncomingMessage,
  progress: Progress,
  urls: QueueUrls | undefined,
): Promise<void> {
  progress.status = answer.statusCode ?? 502;
  const headers: Header[] = [];
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2)
    headers.push([answer.rawHeaders[at]!.toLowerCase(), answer.rawHeaders[at + 1]!]);
  progress.requestId = headers.find(([name]) => name === "x-amzn-requestid" || name === "x-amz-request-id")?.[1];
  const isRedirect = progress.status >= 300 && progress.status < 400;
  const passed = headers.filter(
    // A client that followed it would go past us, with keys that are good for nothing there.
    ([name]) => !HOP_BY_HOP.has(name) && !(isRedirect && name === "location"),
  );
  if (urls === undefined) {
    const out = exchange.answer(progress.status, passed);
    answer.on("data", (part: Buffer) => (progress.bytesDown += part.length));
    await pipeline(answer, out);
    return;
  }
  const parts: Buffer[] = [];
  for await (const part of answer as AsyncIterable<Buffer>) parts.push(part);
  const body = urls.inwards(Buffer.concat(parts));
  progress.bytesDown = body.length;
  const out = exchange.answer(progress.status, [
    ...passed.filter(([name]) => name !== "content-length"),
    ["content-length", String(body.length)],
  ]);
  await new Promise<void>((resolve) => out.end(body, () => resolve()));
}
