import { expect, test } from "bun:test";
import { Glob } from "bun";
import { messages } from "../../src/wire/messages.ts";
import { loadVectors, readStream, type Vector } from "./vectors.ts";

const vectors = loadVectors();

/** Every way in which a vector may arrive, so that no vector can forget one. */
function* arrivals({ bytes }: Vector): Generator<{ how: string; chunks: Uint8Array[] }> {
  yield { how: "whole", chunks: [bytes] };
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  yield { how: "byte by byte", chunks: single };
  yield { how: "byte by byte, with nothing between", chunks: single.flatMap((byte) => [byte, new Uint8Array(0)]) };
  for (let at = 0; at <= bytes.length; at += 1) {
    yield { how: `split at ${at}`, chunks: [bytes.slice(0, at), bytes.slice(at)] };
  }
  // A view into a larger buffer, as a pool or a socket may hand it over.
  const inside = new Uint8Array(bytes.length + 7).fill(0xa5);
  inside.set(bytes, 3);
  yield { how: "as a view", chunks: [inside.subarray(3, 3 + bytes.length)] };
}

test.each(vectors.map((vector) => [vector.name, vector] as const))("vector %s", (_, vector) => {
  for (const { how, chunks } of arrivals(vector)) {
    const { events, reencoded } = readStream(vector.from, chunks);
    expect({ how, events }).toStrictEqual({ how, events: [...vector.expect] });
    expect({ how, bytes: reencoded }).toStrictEqual({ how, bytes: vector.bytes.slice(0, reencoded.length) });
    if (vector.expect.every(({ what }) => !/^Malformed|^incomplete/.test(what))) {
      expect({ how, length: reencoded.length }).toEqual({ how, length: vector.bytes.length });
    }
  }
});

test("every message has a vector of its request and one of its response", () => {
  const covered = new Set(vectors.flatMap((vector) => vector.expect.map(({ what }) => what)));
  const wanted = Object.keys(messages).flatMap((name) => [`request ${name}`, `response ${name}`]);
  expect([...wanted, "error"].filter((what) => !covered.has(what))).toEqual([]);
});

test("every reason to refuse a body has a vector", async () => {
  const covered = new Set(vectors.flatMap((vector) => vector.expect.map(({ what }) => what)));
  const folder = new URL("../../src/wire/", import.meta.url).pathname;
  const reasons: string[] = [];
  for await (const file of new Glob("*.ts").scan(folder)) {
    const source = await Bun.file(folder + file).text();
    reasons.push(...Array.from(source.matchAll(/new MalformedBody\("([^"]+)"\)/g), ([, reason]) => reason!));
  }
  expect(reasons.length).toBeGreaterThan(0);
  expect(reasons.filter((reason) => !covered.has(`MalformedBody: ${reason}`))).toEqual([]);
});

test("no two vectors are the same bytes from the same side", () => {
  const keys = vectors.map(({ from, bytes }) => `${from} ${Buffer.from(bytes).toString("hex")}`);
  expect(keys.length - new Set(keys).size).toBe(0);
});
