import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { type Chain, ChunkError, ChunkSigner, MAX_CHUNK } from "../../src/signer/chunks.ts";
import { sha256, scopeText, sign } from "../../src/signer/sigv4.ts";

const scope = { date: "20261129", region: "eu-west-1", service: "s3" };
const chain = (name: string): Chain => ({
  signingKey: Buffer.from(`key of ${name}`),
  time: "20261129T010203Z",
  scope,
  signature: sha256(name),
});
const CLIENT = chain("client");
const AWS = chain("aws");

/** What a client with this chain sends for these parts. */
function write({ signingKey, time, signature }: Chain, parts: readonly Buffer[], trailer?: string): Buffer {
  let former = signature;
  const out: Buffer[] = [];
  for (const part of [...parts, Buffer.alloc(0)]) {
    const text = ["AWS4-HMAC-SHA256-PAYLOAD", time, scopeText(scope), former, sha256(""), sha256(part)].join("\n");
    former = sign(signingKey, text);
    out.push(Buffer.from(`${part.length.toString(16)};chunk-signature=${former}\r\n`), part);
    if (part.length > 0 || trailer === undefined) out.push(Buffer.from("\r\n"));
  }
  if (trailer !== undefined) {
    const text = ["AWS4-HMAC-SHA256-TRAILER", time, scopeText(scope), former, sha256(`${trailer}\n`)].join("\n");
    out.push(Buffer.from(`${trailer}\r\nx-amz-trailer-signature:${sign(signingKey, text)}\r\n\r\n`));
  }
  return Buffer.concat(out);
}

function pass(bytes: Buffer, cuts: readonly number[], hasTrailer: boolean): Buffer {
  const signer = new ChunkSigner(CLIENT, AWS, hasTrailer);
  const out: Buffer[] = [];
  let from = 0;
  for (const to of [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]) {
    out.push(...signer.push(bytes.subarray(from, to)));
    from = to;
  }
  signer.end();
  return Buffer.concat(out);
}

const parts = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 4 },
);
const cuts = fc.array(fc.nat(4000), { maxLength: 6 });

test.each([undefined, "x-amz-checksum-crc32c:AAAAAA=="])(
  "chunks come out signed anew, however they arrive (trailer: %s)",
  (trailer) => {
    fc.assert(
      fc.property(parts, cuts, (all, at) => {
        const passed = pass(write(CLIENT, all, trailer), at, trailer !== undefined);
        expect(passed.equals(write(AWS, all, trailer))).toBe(true);
      }),
    );
  },
);

test("a byte that was changed anywhere stops it before its chunk has left", () => {
  const bytes = write(
    CLIENT,
    [Buffer.from("first part"), Buffer.from("second part")],
    "x-amz-checksum-crc32c:AAAAAA==",
  );
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ by;
      const signer = new ChunkSigner(CLIENT, AWS, true);
      const out: Buffer[] = [];
      let error: unknown;
      try {
        out.push(...signer.push(changed));
        signer.end();
      } catch (thrown) {
        error = thrown;
      }
      // A trailer's name ignores case.
      const isCase = by === 0x20 && at > bytes.indexOf("x-amz-checksum") && at < bytes.lastIndexOf("x-amz-trailer");
      const isHex = by === 0x20 && /[a-f]/i.test(String.fromCharCode(bytes[at]!));
      if (!isCase && !isHex) expect(error).toBeInstanceOf(ChunkError);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["ends early", (bytes: Buffer) => bytes.subarray(0, -5)],
  ["goes on", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("0")])],
  ["has no size", () => Buffer.from(`;chunk-signature=${"0".repeat(64)}\r\n`)],
  ["is huge", () => Buffer.from(`${(MAX_CHUNK + 1).toString(16)};chunk-signature=${"0".repeat(64)}\r\n`)],
  ["has an endless first line", () => Buffer.alloc(1000, "0")],
])("a body that %s is refused", (_, change) => {
  const bytes = change(write(CLIENT, [Buffer.from("part")]));
  expect(() => pass(bytes, [], false)).toThrow(ChunkError);
});
