// What comes in: read whole where it must be known, else passed on as it comes.
import { createHash, type Hash } from "node:crypto";
import { type Readable, Transform, type TransformCallback } from "node:stream";
import { ChunkError, type ChunkSigner } from "./chunks.ts";

/** Bytes of a body that is read whole. SDKs send larger ones to S3 alone, with their hash. */
const MAX_BODY = 32 * 2 ** 20;
/** Of all that are held at once. */
const MAX_HELD = 96 * 2 ** 20;

export class TooLarge extends Error {}

/** One bound for all bodies that are held. */
export class Budget {
  #held = 0;

  /** @throws TooLarge */
  take(bytes: number): void {
    if (this.#held + bytes > MAX_HELD) throw new TooLarge("too many requests with large bodies at once");
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** The caller gives what it took back. @throws TooLarge */
export async function readWhole(stream: Readable, budget: Budget): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > MAX_BODY) throw new TooLarge(`a body without its hash may have ${MAX_BODY / 2 ** 20} MiB`);
      budget.take(part.length);
      parts.push(part);
    }
    return Buffer.concat(parts);
  } catch (error) {
    budget.give(parts.reduce((sum, part) => sum + part.length, 0));
    throw error;
  }
}

export class WrongHash extends Error {}

/** Passes a body on, and its last part only when all of it has the hash that was signed. */
export class HashGuard extends Transform {
  readonly #hash: Hash = createHash("sha256");
  #last: Buffer | undefined;

  readonly #expected: string;

  constructor(expected: string) {
    super();
    this.#expected = expected;
  }

  override _transform(part: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(part);
    if (this.#last !== undefined) this.push(this.#last);
    this.#last = part;
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#hash.digest("hex") !== this.#expected) {
      done(new WrongHash("the body is not the one whose hash was signed"));
      return;
    }
    if (this.#last !== undefined) this.push(this.#last);
    done();
  }
}

export class WrongLength extends Error {}

/** Ends a body that is not as long as its head says: what is more would be another request to who reads it. */
export class LengthGuard extends Transform {
  #left: number;
  readonly #expected: number | undefined;

  constructor(expected: number | undefined) {
    super();
    this.#expected = expected;
    this.#left = expected ?? Infinity;
  }

  override _transform(part: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#left -= part.length;
    if (this.#left < 0) done(new WrongLength("the body is longer than its head says"));
    else done(null, part);
  }

  override _flush(done: TransformCallback): void {
    if (this.#expected !== undefined && this.#left > 0) done(new WrongLength("the body is shorter than its head says"));
    else done();
  }
}

/** Passes chunks on, each with its new signature. */
export class Resigned extends Transform {
  readonly #chunks: ChunkSigner;

  constructor(chunks: ChunkSigner) {
    super();
    this.#chunks = chunks;
  }

  override _transform(part: Buffer, _: BufferEncoding, done: TransformCallback): void {
    try {
      for (const ready of this.#chunks.push(part)) this.push(ready);
      done();
    } catch (error) {
      done(error instanceof ChunkError ? error : new ChunkError(String(error)));
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#chunks.end();
      done();
    } catch (error) {
      done(error as ChunkError);
    }
  }
}

/** Blots out what must not pass. The length stays: it has been said already. */
export class Blotter extends Transform {
  readonly #secrets: readonly Buffer[];
  #held: Buffer = Buffer.alloc(0);

  constructor(secrets: readonly string[]) {
    super();
    this.#secrets = secrets.map((secret) => Buffer.from(secret));
  }

  override _transform(part: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const all = this.#held.length === 0 ? part : Buffer.concat([this.#held, part]);
    for (const secret of this.#secrets)
      for (let at = all.indexOf(secret); at !== -1; at = all.indexOf(secret, at)) all.fill("-", at, at + secret.length);
    const end = Math.min(...this.#secrets.map((secret) => beginningOf(secret, all)));
    this.#held = all.subarray(end);
    done(null, all.subarray(0, end));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#held);
  }
}

/** Where the end of some bytes may be the beginning of these; their length where it is not. */
function beginningOf(secret: Buffer, bytes: Buffer): number {
  let at = Math.max(0, bytes.length - secret.length + 1);
  for (at = bytes.indexOf(secret[0]!, at); at !== -1; at = bytes.indexOf(secret[0]!, at + 1))
    if (bytes.subarray(at).equals(secret.subarray(0, bytes.length - at))) return at;
  return bytes.length;
}
