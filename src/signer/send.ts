// A request on its way to AWS, and the answer on its way back. Neither is held: a body of any size passes in constant memory.
import type http from "node:http";
import { type Readable, type Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createUnzip } from "node:zlib";
import { Blotter, HashGuard, LengthGuard, Resigned, WrongHash, WrongLength } from "./body.ts";
import { bypassParser } from "./bypass.ts";
import { CHUNKED, CHUNKED_WITH_TRAILER, ChunkError, ChunkSigner } from "./chunks.ts";
import { AUTHORITY, type Exchange, HOP_BY_HOP, pairsOf } from "./exchange.ts";
import type { Upstream } from "./host.ts";
import type { Asked } from "./operation.ts";
import { QueueUrls, slashed } from "./queue-urls.ts";
import type { Progress, Signer } from "./request.ts";
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
import { unreachable, type Way } from "./ways.ts";

/** Bytes of an answer that is read whole: one about queues. */
const MOST_ANSWERED = 16 * 2 ** 20;
/** Of a proxy alone; it makes no tunnel for http. */
const PROXY_REFUSES = 407;
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
  const way = signer.wayTo(upstream);
  const passed = sending.asked.headers.filter(([name]) => !HOP_BY_HOP.has(name) && !REPLACED.has(name));
  const isFramed = sending.asked.headers.some(([name]) => name === "transfer-encoding");
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
  // Node frames no body of a GET or DELETE by itself.
  else if (isFramed) headers.push(["transfer-encoding", "chunked"]);
  const out = way.begin({
    method: request.method,
    path: `${request.path}${request.query === "" ? "" : `?${request.query}`}`,
    headers,
  });
  exchange.onGone(() => out.destroy());
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    out.once("response", (answer) => {
      const hasBody = request.method === "GET" && (answer.statusCode === 200 || answer.statusCode === 206);
      if (hasBody) bypassParser(answer, "RESPONSE", 0);
      resolve(answer);
    });
    out.once("error", reject);
  });
  answered.catch(() => {});
  const uploaded = upload(exchange, out, body, { payload, verified, claim, signed, length, isFramed }, progress);
  const answer = await firstOf(answered, uploaded, way);
  if (answer.statusCode === PROXY_REFUSES && way.proxy !== undefined) {
    answer.destroy();
    throw unreachable(way.proxy, answer);
  }
  await download(exchange, answer, progress, { urls, keys });
}

const isSigned = ([name]: Header) => name.startsWith("x-amz-") || name === "content-type" || name === "content-md5";

/** An answer may come before all is sent. Where what is sent was wrong, that is the reason, and not that it was cut. */
async function firstOf<Answer>(
  answered: Promise<Answer>,
  uploaded: Promise<void>,
  { proxy }: Pick<Way, "proxy">,
): Promise<Answer> {
  try {
    return await Promise.race([answered, uploaded.then(() => answered)]);
  } catch (error) {
    const [end] = await Promise.allSettled([uploaded]);
    const reason: unknown = end.status === "rejected" ? end.reason : undefined;
    if (reason instanceof WrongHash || reason instanceof WrongLength || reason instanceof ChunkError) throw reason;
    throw proxy === undefined ? error : unreachable(proxy, error);
  }
}

/** What we write ourselves. */
const REPLACED: ReadonlySet<string> = new Set([
  "host",
  AUTHORITY,
  "authorization",
  "x-amz-date",
  "x-amz-security-token",
  "content-length",
  "expect",
  "date",
  // What is in an error must be seen.
  "accept-encoding",
]);

async function upload(
  exchange: Exchange,
  out: http.ClientRequest,
  body: Buffer | undefined,
  {
    payload,
    verified,
    claim,
    signed,
    length,
    isFramed,
  }: Pick<Sending, "payload" | "verified" | "claim"> & {
    readonly signed: Signed;
    readonly length: string | undefined;
    readonly isFramed: boolean;
  },
  progress: Progress,
): Promise<void> {
  if (body !== undefined) {
    out.end(body);
    return;
  }
  const counted = (stream: Readable) => stream.on("data", (part: Buffer) => (progress.bytesUp += part.length));
  // Of a GET without either, Node would write a body without a frame.
  const hasNone = length === undefined && !isFramed && /^(?:GET|HEAD|DELETE|OPTIONS)$/.test(out.method);
  const guard = new LengthGuard(hasNone ? 0 : length === undefined ? undefined : Number(length));
  const isChunked = payload === CHUNKED || payload === CHUNKED_WITH_TRAILER;
  try {
    if (isChunked) {
      const from = { ...verified, ...claim };
      const chunks = new ChunkSigner(from, signed, payload === CHUNKED_WITH_TRAILER);
      await pipeline(counted(exchange.body), new Resigned(chunks), guard, out);
    } else if (payload === UNSIGNED_PAYLOAD || payload === UNSIGNED_TRAILER)
      await pipeline(counted(exchange.body), guard, out);
    else await pipeline(counted(exchange.body), new HashGuard(payload!), guard, out);
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
  { urls, keys }: { readonly urls: QueueUrls | undefined; readonly keys: Keys },
): Promise<void> {
  const status = answer.statusCode ?? 502;
  progress.status = status;
  const forms = formsOf(keys, status >= 400);
  const headers = pairsOf(answer.rawHeaders).map(([name, value]): Header => [name, blotted(value, forms)]);
  progress.requestId = headers.find(([name]) => name === "x-amzn-requestid" || name === "x-amz-request-id")?.[1];
  const isRedirect = status >= 300 && status < 400;
  // What is stored is what it is: its owner put it there, and its checksum stands in the headers.
  const isObject = status < 300 && progress.named.every(({ operation }) => OBJECTS.has(operation.title));
  const decoder = isObject || exchange.request.method === "HEAD" ? undefined : decoderOf(headers);
  const changes = decoder !== undefined || urls !== undefined;
  const passed = headers.filter(
    ([name]) =>
      !HOP_BY_HOP.has(name) &&
      // A client that followed it would go past us, with keys that are good for nothing there.
      !(isRedirect && name === "location") &&
      !(changes && name === "content-length") &&
      !(decoder !== undefined && name === "content-encoding"),
  );
  const ways = [...(decoder === undefined ? [] : [decoder]), ...(isObject ? [] : [new Blotter(forms)])];
  const body = ways.at(-1) ?? answer;
  body.on("data", (part: Buffer) => (progress.bytesDown += part.length));
  if (urls === undefined) {
    await pipeline([answer, ...ways, exchange.answer(status, passed)]);
    return;
  }
  const parts: Buffer[] = [];
  await pipeline([answer, ...ways, gather(parts)]);
  const whole = urls.inwards(Buffer.concat(parts));
  const out = exchange.answer(status, [
    ...passed,
    // Of HEAD, it is the length of what GET would answer.
    ...(exchange.request.method === "HEAD" ? [] : [["content-length", String(whole.length)] as const]),
  ]);
  await new Promise<void>((resolve) => out.end(whole, () => resolve()));
}

function gather(parts: Buffer[]): Writable {
  let length = 0;
  return new Writable({
    write(part: Buffer, _, done) {
      parts.push(part);
      length += part.length;
      done(length > MOST_ANSWERED ? new Error("the answer is too large") : undefined);
    },
  });
}

const OBJECTS: ReadonlySet<string> = new Set(["s3:GetObject", "s3:HeadObject", "s3:GetObjectTorrent"]);

/** Of an answer that is encoded though it was not asked for: what stands in it must be seen. @throws where it cannot be */
function decoderOf(headers: readonly Header[]): Transform | undefined {
  const encodings = headers
    .filter(([name]) => name === "content-encoding")
    .flatMap(([, value]) => value.toLowerCase().split(","))
    .map((each) => each.trim())
    .filter((each) => !["", "identity", "aws-chunked"].includes(each));
  const [encoding] = encodings;
  if (encoding === undefined) return undefined;
  if (encodings.length === 1 && ["gzip", "x-gzip", "deflate"].includes(encoding)) return createUnzip();
  if (encodings.length === 1 && encoding === "br") return createBrotliDecompress();
  throw new Error(`an answer is encoded as ${encodings.join(", ")}`);
}

/**
 * Our keys, as they may stand in an answer. AWS quotes them where it refuses them: S3 the key's id and, of a signature that
 * does not match or a token that has expired, the session token, and the bytes of what it signed itself.
 */
function formsOf({ accessKeyId, secretAccessKey, sessionToken }: Keys, isError: boolean): readonly string[] {
  const secrets = [accessKeyId, secretAccessKey, sessionToken].filter((secret) => secret !== undefined);
  const forms = secrets.flatMap((secret) => {
    const encoded = encodeURIComponent(secret);
    const escaped = secret.replaceAll(
      /[^A-Za-z0-9]/g,
      (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    const hex = Buffer.from(secret).toString("hex");
    const inHex = isError ? [hex, hex.replaceAll(/..(?=.)/g, "$& ")] : [];
    const inText = [secret, slashed(secret), encoded, lowerEscapes(encoded), escaped];
    return [...inText, ...inHex, ...inHex.map((each) => each.toUpperCase())];
  });
  return [...new Set(forms)];
}

const lowerEscapes = (text: string) => text.replaceAll(/%../g, (each) => each.toLowerCase());

const blotted = (text: string, forms: readonly string[]) =>
  forms.reduce((left, form) => left.replaceAll(form, "-"), text);
