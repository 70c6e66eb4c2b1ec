import { expect, test } from "bun:test";
import { readLines } from "../../src/text/lines.ts";

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

const TEXT = "one\n\nzwölf €\nlast, cut";

test.each([1, 2, 3, 7, 1_000])("gives every whole line, in chunks of %d bytes", async (size) => {
  const lines = await Array.fromAsync(readLines(inChunks(Buffer.from(TEXT), size), 100));
  expect(lines).toEqual(["one", "", "zwölf €"]);
});

test.each([1, 4, 1_000])("refuses a line over the limit before it has ended, in chunks of %d bytes", async (size) => {
  const lines: string[] = [];
  const read = async (): Promise<void> => {
    for await (const line of readLines(inChunks(Buffer.from("1234\n12345"), size), 4)) lines.push(line);
  };
  expect(await read().catch((error: unknown) => error)).toBeInstanceOf(RangeError);
  expect(lines).toEqual(["1234"]);
});
