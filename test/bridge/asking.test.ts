import { expect, test } from "bun:test";
import { createAsker } from "../../src/bridge/bridge.ts";
import { decodeAnswer, encodeAnswer, ended, fetchFrame, tooMany } from "../../src/bridge/pipe.ts";
import { KeyholeError } from "../../src/errors.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";
import { rejectionOf } from "../thrown.ts";
import { fakePipe } from "./fakes/pipe.ts";

const answer = (region: string) => encodeAnswer({ grant: "agent", config: "dev", region, line: new Uint8Array(0) });

test("answers go to who asked, in order, however they arrive", async () => {
  const pipe = fakePipe();
  const { ask } = createAsker(pipe);
  const asked = [ask(), ask(), ask()];
  await pipe.wrote(3);
  expect(pipe.written.map(({ bytes }) => bytes)).toEqual([fetchFrame, fetchFrame, fetchFrame]);
  pipe.push(Buffer.concat([answer("1"), answer("2").subarray(0, 7)]));
  pipe.push(Buffer.concat([answer("2").subarray(7), answer("3")]));
  const regions = (await Promise.all(asked)).map((bytes) => decodeAnswer(bytes).region);
  expect(regions).toEqual(["1", "2", "3"]);
});

test("when the pipe ends, whoever waits is told, and whoever comes later", async () => {
  const pipe = fakePipe();
  const { ask, done } = createAsker(pipe);
  const waiting = ask();
  pipe.end();
  await done;
  expect(await waiting).toBe(ended);
  expect(await ask()).toBe(ended);
  expect(pipe.written).toHaveLength(1);
});

test.each([
  ["an answer that nobody asked for", answer("1")],
  ["bytes that are no frame", new TextEncoder().encode("Last login: yesterday\n")],
  ["a frame over the limit", Uint8Array.of(0, 0x10, 0, 0)],
])("%s is the end", async (_, bytes) => {
  const pipe = fakePipe();
  const { ask, done } = createAsker(pipe);
  pipe.push(bytes);
  expect((await rejectionOf(done)).kind).toBe("bad-request");
  expect(await ask()).toBe(ended);
});

test.each([
  ["a request", fetchFrame.with(5, messages.Vend.number)],
  ["another message's response", encodeFrame(messages.Hello.number, new Uint8Array(0))],
  ["an answer of another version", encodeFrame(messages.Fetch.number, new Uint8Array(0), 2)],
])("%s instead of an answer is the end, also for who waits", async (_, bytes) => {
  const pipe = fakePipe();
  const { ask, done } = createAsker(pipe);
  const waiting = ask();
  pipe.push(bytes);
  expect((await rejectionOf(done)).kind).toBe("bad-request");
  expect(await waiting).toBe(ended);
});

test("a pipe that cannot be written to is the end", async () => {
  const gone = new KeyholeError("unreachable", "the other end of the bridge is gone");
  const { ask, done } = createAsker(fakePipe(gone));
  const waiting = ask();
  expect(await rejectionOf(done)).toBe(gone);
  expect(await waiting).toBe(ended);
});

test("more than 256 requests do not wait at a time", async () => {
  const pipe = fakePipe();
  const { ask } = createAsker(pipe);
  const first = ask();
  for (let request = 1; request < 256; request += 1) void ask();
  expect(await ask()).toBe(tooMany);
  pipe.push(answer("1"));
  await first;
  const next = ask();
  await pipe.wrote(257);
  for (let request = 0; request < 256; request += 1) pipe.push(answer("2"));
  expect(decodeAnswer(await next).region).toBe("2");
});
