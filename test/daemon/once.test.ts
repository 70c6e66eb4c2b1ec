import { expect, test } from "bun:test";
import type { Caller } from "../../src/server/dispatch.ts";
import { serveOne } from "../../src/daemon/control.ts";
import { BODY_START, type Frame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";

const ANSWER = new Uint8Array(1);

const callerOf = (connection: number) => ({ connection }) as unknown as Caller;

function setUp() {
  let ends = 0;
  const client = serveOne(
    () => ANSWER,
    () => void (ends += 1),
  );
  return {
    /** Whether the answer is what the dispatch gives. */
    ask: (connection: number, message: number): boolean => {
      const bytes = new Uint8Array(BODY_START);
      const frame: Frame = { version: 1, message, bytes, body: bytes.subarray(BODY_START) };
      return client.dispatch(frame, callerOf(connection)) === ANSWER;
    },
    close: (connection: number) => client.closed(callerOf(connection)),
    ends: () => ends,
  };
}

test("whoever asks first is served until it closes, and then it is over", () => {
  const { ask, close, ends } = setUp();
  expect(ask(1, messages.Vend.number)).toBe(true);
  ask(1, messages.Add.number);
  ask(2, messages.Vend.number);
  close(2);
  expect(ends()).toBe(0);
  close(1);
  expect(ends()).toBe(1);
});

test("whoever only looks whether it is there does not count", () => {
  const { ask, close, ends } = setUp();
  ask(1, messages.Hello.number);
  close(1);
  close(7);
  expect(ends()).toBe(0);
  ask(2, messages.Hello.number);
  ask(2, messages.Status.number);
  close(2);
  expect(ends()).toBe(1);
});
