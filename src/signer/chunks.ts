// A body whose chunks are signed each: `SIZE;chunk-signature=HEX\r\n…\r\n`, up to a chunk of 0 bytes, and perhaps trailers.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html
import { timingSafeEqual } from "node:crypto";
import { sha256, scopeText, sign, type Scope } from "./sigv4.ts";

export const CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
export const CHUNKED_WITH_TRAILER = `${CHUNKED}-TRAILER`;
/** Bytes of one chunk, which is held until its signature is checked. SDKs send 8 KiB to 1 MiB. */
export const MAX_CHUNK = 8 * 2 ** 20;
const MAX_LINE = 256;
const MAX_TRAILERS = 4096;
const EMPTY = sha256("");
const CRLF = Buffer.of(13, 10);

/** One side's chain of signatures. */
export interface Chain {
  readonly signingKey: Buffer;
  readonly time: string;
  readonly scope: Scope;
  /** Of the request's headers. */
  readonly signature: string;
}

export class ChunkError extends Error {}

/** Checks each chunk against the client's chain, and gives it back signed for the other: its length does not change. */
export class ChunkSigner {
  #held: Buffer[] = [];
  #length = 0;
  #state: "size" | "data" | "trailers" | "end" = "size";
  #size = 0;
  #claimed = "";
  #former: string;
  #next: string;

  readonly #from: Chain;
  readonly #to: Chain;
  readonly #hasTrailer: boolean;

  constructor(from: Chain, to: Chain, hasTrailer: boolean) {
    this.#from = from;
    this.#to = to;
    this.#hasTrailer = hasTrailer;
    this.#former = from.signature;
    this.#next = to.signature;
  }

  /** @returns what may be sent on by now. @throws ChunkError */
  push(bytes: Buffer): Buffer[] {
    this.#held.push(bytes);
    this.#length += bytes.length;
    const ready: Buffer[] = [];
    for (let step = this.#step(); step !== undefined; step = this.#step()) ready.push(...step);
    return ready;
  }

  /** The body has ended. @throws ChunkError where the last chunk is missing */
  end(): void {
    if (this.#state !== "end" || this.#length > 0) throw new ChunkError("the body ends before its last chunk");
  }

  /** @returns undefined where more must come first */
  #step(): Buffer[] | undefined {
    if (this.#state === "size") return this.#readSize();
    if (this.#state === "data") return this.#readData();
    if (this.#state === "trailers") return this.#readTrailers();
    if (this.#length > 0) throw new ChunkError("there is more behind the last chunk");
    return undefined;
  }

  #readSize(): Buffer[] | undefined {
    const line = this.#line(MAX_LINE);
    if (line === undefined) return undefined;
    const found = /^([0-9a-fA-F]{1,8});chunk-signature=([0-9a-f]{64})$/.exec(line);
    if (found === null) throw new ChunkError("a chunk does not begin with its size and signature");
    this.#size = Number.parseInt(found[1]!, 16);
    if (this.#size > MAX_CHUNK) throw new ChunkError(`a chunk is larger than ${MAX_CHUNK} bytes`);
    this.#claimed = found[2]!;
    this.#written = found[1]!;
    this.#state = "data";
    return [];
  }

  /** The size as the client wrote it: leading zeros count in Content-Length. */
  #written = "";

  #readData(): Buffer[] | undefined {
    const isLast = this.#size === 0;
    // With trailers the last chunk's line is not followed by an empty one.
    const tail = isLast && this.#hasTrailer ? 0 : CRLF.length;
    if (this.#length < this.#size + tail) return undefined;
    const data = this.#take(this.#size);
    if (tail > 0 && !this.#take(tail).equals(CRLF)) throw new ChunkError("a chunk does not end with its data");
    const hash = sha256(data);
    const expected = signChunk(this.#from, this.#former, hash);
    if (!isEqual(expected, this.#claimed)) throw new ChunkError("a chunk's signature does not match");
    this.#former = expected;
    this.#next = signChunk(this.#to, this.#next, hash);
    this.#state = isLast ? (this.#hasTrailer ? "trailers" : "end") : "size";
    const head = Buffer.from(`${this.#written};chunk-signature=${this.#next}\r\n`);
    return [head, data, ...(tail > 0 ? [CRLF] : [])];
  }

  /** All of them at once, up to the empty line. */
  #readTrailers(): Buffer[] | undefined {
    const all = this.#peek();
    const end = all.indexOf("\r\n\r\n");
    if (end === -1) {
      if (all.length > MAX_TRAILERS) throw new ChunkError("the trailers are too long");
      return undefined;
    }
    const lines = this.#take(end + 4)
      .toString("latin1", 0, end)
      .split("\r\n");
    const claimed = /^x-amz-trailer-signature:([0-9a-f]{64})$/.exec(lines.pop()!)?.[1];
    if (claimed === undefined || lines.length === 0) throw new ChunkError("the trailers have no signature");
    const canonical = lines.map((line) => {
      const at = line.indexOf(":");
      if (at < 1) throw new ChunkError("a trailer is no header");
      return `${line.slice(0, at).toLowerCase()}:${line.slice(at + 1).trim()}\n`;
    });
    const hash = sha256(Buffer.from(canonical.join(""), "latin1"));
    if (!isEqual(signTrailer(this.#from, this.#former, hash), claimed))
      throw new ChunkError("the trailers' signature does not match");
    this.#state = "end";
    const signature = signTrailer(this.#to, this.#next, hash);
    return [Buffer.from(`${lines.join("\r\n")}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`, "latin1")];
  }

  #line(limit: number): string | undefined {
    const all = this.#peek();
    const end = all.indexOf("\r\n");
    if (end > limit || (end === -1 && all.length > limit)) throw new ChunkError("a chunk's first line is too long");
    if (end === -1) return undefined;
    return this.#take(end + 2).toString("latin1", 0, end);
  }

  #peek(): Buffer {
    if (this.#held.length !== 1) this.#held = [Buffer.concat(this.#held)];
    return this.#held[0]!;
  }

  #take(count: number): Buffer {
    const all = this.#peek();
    this.#held = [all.subarray(count)];
    this.#length -= count;
    return all.subarray(0, count);
  }
}

function signChunk({ signingKey, time, scope }: Chain, former: string, hash: string): string {
  return sign(signingKey, ["AWS4-HMAC-SHA256-PAYLOAD", time, scopeText(scope), former, EMPTY, hash].join("\n"));
}

function signTrailer({ signingKey, time, scope }: Chain, former: string, hash: string): string {
  return sign(signingKey, ["AWS4-HMAC-SHA256-TRAILER", time, scopeText(scope), former, hash].join("\n"));
}

function isEqual(expected: string, claimed: string): boolean {
  return timingSafeEqual(Buffer.from(expected), Buffer.from(claimed));
}
