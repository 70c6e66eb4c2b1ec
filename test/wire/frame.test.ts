import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { encode } from "../../src/wire/codec.ts";
import {
  CONTROL_REQUEST_LIMIT,
  encodeFrame,
  type Frame,
  FrameDecoder,
  MalformedFrame,
  RESPONSE_LIMIT,
} from "../../src/wire/frame.ts";
import { ERROR_NUMBER, messages } from "../../src/wire/messages.ts";
import { arbitraryOf, fieldsOf } from "./specification.ts";
import { readStream, type Side } from "./vectors.ts";
import { worked } from "../processes.ts";

const SEED = { seed: 20260201, numRuns: 300 };

const frame = fc.record({
  version: fc.integer({ min: 0, max: 255 }),
  message: fc.integer({ min: 0, max: 255 }),
  body: fc.uint8Array({ maxLength: 60 }),
});

type Parts = Pick<Frame, "version" | "message" | "body">;

const partsOf = ({ version, message, body }: Frame): Parts => ({ version, message, body });

function streamOf(frames: readonly Parts[]): Uint8Array {
  return new Uint8Array(Buffer.concat(frames.map(({ version, message, body }) => encodeFrame(message, body, version))));
}

/** Cuts where the numbers say: each is the length of a chunk, in turns, until nothing is left. */
function chunksOf(stream: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let start = 0, index = 0; start < stream.length; index += 1) {
    const end = start + lengths[index % lengths.length]!;
    chunks.push(stream.slice(start, end));
    start = end;
  }
  return chunks;
}

const lengths = fc
  .array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 12 })
  .filter((all) => all.some(Boolean));

test("any split of a stream of frames gives the same frames", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), lengths, (frames, cuts) => {
      const decoder = new FrameDecoder(RESPONSE_LIMIT);
      expect(
        chunksOf(streamOf(frames), cuts)
          .flatMap((chunk) => decoder.push(chunk))
          .map(partsOf),
      ).toEqual(frames);
      expect(decoder.isPartial).toBe(false);
    }),
    SEED,
  );
});

/** A stream that some client or daemon might send: known messages, and now and then an unknown one. */
function conversation(side: Side): fc.Arbitrary<Uint8Array> {
  const part = side === "client" ? "request" : "response";
  const known = Object.entries(messages).map(([name, row]) =>
    arbitraryOf(fieldsOf(`${name} (${row.number})`, part)).map((value): Parts => ({
      version: 1,
      message: row.number,
      body: encode<unknown>(row[part], value),
    })),
  );
  return fc.array(fc.oneof(...known, frame), { minLength: 1, maxLength: 4 }).map(streamOf);
}

/** What may happen to a stream at an offset; `value` is a random byte. */
const mutations = {
  set: (stream: Uint8Array, at: number, value: number) => stream.with(at, value),
  flip: (stream: Uint8Array, at: number, value: number) => stream.with(at, stream[at]! ^ (1 << (value % 8))),
  cut: (stream: Uint8Array, at: number) => stream.slice(0, at),
  remove: (stream: Uint8Array, at: number, value: number) => splice(stream, at, at + 1 + (value % 4)),
  repeat: (stream: Uint8Array, at: number, value: number) => splice(stream, at + 1 + (value % 16), at),
};

/** The stream up to one offset and from another on. */
function splice(stream: Uint8Array, end: number, start: number): Uint8Array {
  return new Uint8Array(Buffer.concat([stream.subarray(0, end), stream.subarray(start)]));
}

const mutation = fc.record({
  kind: fc.constantFrom(...(Object.keys(mutations) as (keyof typeof mutations)[])),
  /** From 0 to 1, of the stream's length. */
  where: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  value: fc.oneof(fc.nat(3), fc.nat(255)),
});

type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutate(stream: Uint8Array, { kind, where, value }: Mutation): Uint8Array {
  return stream.length === 0 ? stream : mutations[kind](stream, Math.floor(where * stream.length), value);
}

test.each<[Side]>([["client"], ["daemon"]])(
  "what a mutated %s sends is read alike however it arrives, and what is accepted of it re-encodes to the same bytes",
  (side) => {
    const before = readStream(side, [streamOf([{ version: 1, message: 5, body: new Uint8Array(0) }])]);
    fc.assert(
      fc.property(conversation(side), fc.array(mutation, { maxLength: 4 }), lengths, (valid, changes, cuts) => {
        const stream = changes.reduce(mutate, valid);
        // readStream lets nothing but MalformedFrame and MalformedBody pass as an answer.
        const whole = readStream(side, [stream]);
        expect(readStream(side, chunksOf(stream, cuts))).toEqual(whole);
        expect(whole.reencoded).toEqual(stream.slice(0, whole.reencoded.length));
        if (changes.length === 0) expect(whole.events.filter(({ what }) => what.startsWith("MalformedF"))).toEqual([]);
      }),
      SEED,
    );
    expect(readStream(side, [streamOf([{ version: 1, message: 5, body: new Uint8Array(0) }])])).toEqual(before);
  },
);

test("random bytes are frames or a MalformedFrame, alike however they arrive", () => {
  const noise = fc
    .uint8Array({ maxLength: 200 })
    .map((bytes) => bytes.map((byte, index) => (index % 7 < 3 ? 0 : byte)));
  fc.assert(
    fc.property(noise, lengths, fc.constantFrom<Side>("client", "daemon"), (stream, cuts, side) => {
      expect(readStream(side, chunksOf(stream, cuts))).toEqual(readStream(side, [stream]));
    }),
    SEED,
  );
});

test.each([
  ["request", CONTROL_REQUEST_LIMIT],
  ["response", RESPONSE_LIMIT],
])("the largest %s is accepted byte by byte, in work that does not grow with its square", (_, limit) => {
  const body = new Uint8Array(limit - 2).map((_byte, index) => index % 251);
  const stream = encodeFrame(2, body);
  const decoder = new FrameDecoder(limit);
  const frames: Frame[] = [];
  const started = worked();
  for (let at = 0; at < stream.length; at += 1) frames.push(...decoder.push(stream.subarray(at, at + 1)));
  // 1 MiB takes less than a second; copying what is held for each byte would take more than a minute.
  expect(worked() - started).toBeLessThan(10_000);
  expect(frames.length).toBe(1);
  expect(Buffer.compare(frames[0]!.body, body)).toBe(0);
});

test("a length that is only announced costs no memory", () => {
  const announced = Uint8Array.of(0, 0x10, 0, 0x02, 1);
  Bun.gc(true);
  const before = process.memoryUsage().external;
  const decoders = Array.from({ length: 500 }, () => new FrameDecoder(RESPONSE_LIMIT));
  for (const decoder of decoders) decoder.push(announced);
  expect(decoders.every(({ isPartial }) => isPartial)).toBe(true);
  expect(process.memoryUsage().external - before).toBeLessThan(RESPONSE_LIMIT);
});

test("a decoder is partial from a frame's first byte to its last", () => {
  const decoder = new FrameDecoder(CONTROL_REQUEST_LIMIT);
  const states = Array.from(encodeFrame(1, Uint8Array.of(7)), (byte) => {
    decoder.push(Uint8Array.of(byte));
    return decoder.isPartial;
  });
  expect(states).toEqual([true, true, true, true, true, true, false]);
  decoder.push(Uint8Array.of(...encodeFrame(1, new Uint8Array(0)), 0));
  expect(decoder.isPartial).toBe(true);
});

test("what is held does not change when the chunk it came in is reused", () => {
  const decoder = new FrameDecoder(CONTROL_REQUEST_LIMIT);
  const chunk = encodeFrame(2, Uint8Array.of(1, 2, 3, 4)).slice(0, 8);
  decoder.push(chunk);
  chunk.fill(0xff);
  expect(decoder.push(Uint8Array.of(3, 4)).map(partsOf)).toEqual([
    { version: 1, message: 2, body: Uint8Array.of(1, 2, 3, 4) },
  ]);
});

test("a decoder that threw throws again, and gives no frame twice", () => {
  const decoder = new FrameDecoder(CONTROL_REQUEST_LIMIT);
  const whole = encodeFrame(5, new Uint8Array(0));
  const first = refusal(decoder, Uint8Array.of(...whole, 0, 0, 0, 1));
  const second = refusal(decoder, whole);
  expect([first.message, second.message]).toEqual(Array.from({ length: 2 }, () => "a frame of 1 bytes is too short"));
  expect(first.completed.map(partsOf)).toEqual([{ version: 1, message: 5, body: new Uint8Array(0) }]);
  expect(second.completed).toEqual([]);
  expect(decoder.isPartial).toBe(false);
});

function refusal(decoder: FrameDecoder, chunk: Uint8Array): MalformedFrame {
  try {
    decoder.push(chunk);
  } catch (error) {
    if (error instanceof MalformedFrame) return error;
  }
  throw new Error("a malformed frame was accepted");
}

test("a decoder that threw waits for nothing, even where the bad length came in pieces", () => {
  const decoder = new FrameDecoder(CONTROL_REQUEST_LIMIT);
  decoder.push(Uint8Array.of(0, 0, 0));
  expect(decoder.isPartial).toBe(true);
  refusal(decoder, Uint8Array.of(0));
  expect(decoder.isPartial).toBe(false);
});

test("an empty chunk is nothing, in the middle of a frame too", () => {
  const decoder = new FrameDecoder(CONTROL_REQUEST_LIMIT);
  expect(decoder.push(new Uint8Array(0))).toEqual([]);
  expect(decoder.isPartial).toBe(false);
  decoder.push(Uint8Array.of(0));
  expect(decoder.push(new Uint8Array(0))).toEqual([]);
  expect(decoder.isPartial).toBe(true);
});

test("a frame over the largest length is refused by the writer", () => {
  expect(encodeFrame(ERROR_NUMBER, new Uint8Array(RESPONSE_LIMIT - 2)).length).toBe(RESPONSE_LIMIT + 4);
  expect(() => encodeFrame(ERROR_NUMBER, new Uint8Array(RESPONSE_LIMIT - 1))).toThrow(RangeError);
});

describe("a lone frame", () => {
  const one = encodeFrame(2, Uint8Array.of(7, 8));
  const limit = one.length - 4;

  test("is taken in one go", () => {
    const taken = new FrameDecoder(limit).lone(one);
    expect(taken && partsOf(taken)).toEqual({ version: 1, message: 2, body: Uint8Array.of(7, 8) });
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["its length alone", one.slice(0, 4)],
    ["a part of it", one.slice(0, 7)],
    ["it and a byte", Uint8Array.of(...one, 0)],
    ["two of them", Uint8Array.of(...one, ...one)],
    ["one without a message number", Uint8Array.of(0, 0, 0, 1, 1)],
    ["one over the limit", encodeFrame(2, Uint8Array.of(7, 8, 9))],
  ])("is not %s, which changes nothing", (_, chunk) => {
    const decoder = new FrameDecoder(limit);
    expect(decoder.lone(chunk)).toBeUndefined();
    expect(decoder.isPartial).toBe(false);
    expect(decoder.push(one).length).toBe(1);
  });

  test("is not what follows a part of another, or an impossible length", () => {
    const waiting = new FrameDecoder(limit);
    waiting.push(one.slice(0, 3));
    expect(waiting.lone(one)).toBeUndefined();
    expect(waiting.push(one.slice(3)).length).toBe(1);

    const broken = new FrameDecoder(limit);
    refusal(broken, new Uint8Array(4));
    expect(broken.lone(one)).toBeUndefined();
  });
});
