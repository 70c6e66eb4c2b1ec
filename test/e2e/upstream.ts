// A server of AWS's kind that checks every signature against the keys that the tests' STS has issued.
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { CHUNKED, CHUNKED_WITH_TRAILER, ChunkSigner } from "../../src/signer/chunks.ts";
import {
  type Claim,
  type Header,
  readClaim,
  type Request,
  sha256,
  type Verified,
  verify,
} from "../../src/signer/sigv4.ts";
import type { Certificate } from "../sts/tls.ts";
import type { Machine } from "./machine.ts";

export interface Arrived {
  readonly request: Request;
  readonly body: Buffer;
  /** By the keys of a role's session, and so is each chunk of a body that is signed in chunks. */
  readonly isSigned: boolean;
  readonly accessKeyId: string;
}

/** Use with `await using`. @param answer of a request that has arrived whole @param certificate of https */
export async function startUpstream(
  { sts }: Pick<Machine, "sts">,
  answer: (arrived: Arrived, response: http.ServerResponse) => void = (_, response) => void response.end("ok"),
  certificate?: Certificate,
) {
  const arrived: Arrived[] = [];
  let begun = 0;
  let cutAt: number | undefined;
  const handle: http.RequestListener = (incoming, response) => {
    begun += 1;
    response.on("close", () => {
      if (!response.writableFinished) cutAt = performance.now();
    });
    const parts: Buffer[] = [];
    incoming.on("data", (part: Buffer) => parts.push(part));
    incoming.on("end", () => {
      const body = Buffer.concat(parts);
      const [path, query = ""] = incoming.url!.split("?", 2) as [string, string?];
      const { rawHeaders } = incoming;
      const headers = rawHeaders.flatMap((name, at): Header[] =>
        at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1]!]] : [],
      );
      const request = { method: incoming.method!, path, query, headers };
      const claim = readClaim(request);
      const key = claim && sts.issued.get(claim.accessKeyId);
      const hash = headers.find(([name]) => name === "x-amz-content-sha256")?.[1] ?? sha256(body);
      const verified = claim && key && verify(request, claim, hash, key.secretAccessKey);
      const isSigned =
        verified !== undefined &&
        (!hash.startsWith(CHUNKED) || hasSignedChunks(body, { ...claim!, ...verified }, hash === CHUNKED_WITH_TRAILER));
      const one = { request, body, isSigned, accessKeyId: claim?.accessKeyId ?? "" };
      arrived.push(one);
      answer(one, response);
    });
  };
  const server = certificate === undefined ? http.createServer(handle) : https.createServer({ ...certificate }, handle);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${certificate === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    arrived,
    /** Requests whose headers have arrived. */
    begun: () => begun,
    /** By `performance.now`, when a client went last that had no answer yet. */
    cutAt: () => cutAt,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function hasSignedChunks(body: Buffer, chain: Claim & Verified, hasTrailer: boolean): boolean {
  try {
    const chunks = new ChunkSigner(chain, chain, hasTrailer);
    chunks.push(body);
    chunks.end();
    return true;
  } catch {
    return false;
  }
}
