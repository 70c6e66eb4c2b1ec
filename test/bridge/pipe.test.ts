import { expect, test } from "bun:test";
import { createPipe } from "../../src/bridge/pipe.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";
import { rejectionOf } from "../thrown.ts";

const nothing: AsyncIterable<Uint8Array> = new ReadableStream();
const bytes = new Uint8Array([1, 2, 3]);

test("bytes are written, and flushed before it says so", async () => {
  const calls: unknown[] = [];
  const sink = { write: (chunk: Uint8Array) => calls.push(chunk), flush: () => calls.push("flush") };
  await createPipe(nothing, sink, new FakeClock()).write(bytes);
  expect(calls).toEqual([bytes, "flush"]);
});

test("a reader that takes nothing for 5 s is given up", async () => {
  const clock = new FakeClock();
  const sink = { write: () => new Promise(() => {}), flush: () => {} };
  const outcome = rejectionOf(createPipe(nothing, sink, clock).write(bytes));
  await clock.advance(5000);
  expect(await outcome).toMatchObject({ kind: "unreachable", message: "the other end of the bridge does not read" });
});

test("a reader that is gone is told as such", async () => {
  const sink = { write: () => Promise.reject(new Error("EPIPE")), flush: () => {} };
  const failure = await rejectionOf(createPipe(nothing, sink, new FakeClock()).write(bytes));
  expect(failure).toMatchObject({ kind: "unreachable", message: "the other end of the bridge is gone" });
});
