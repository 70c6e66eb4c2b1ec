import { expect, test } from "bun:test";
import { type ByteSocket, Connection } from "../../src/server/connection.ts";
import type { Dispatch } from "../../src/server/dispatch.ts";
import { MalformedBody } from "../../src/wire/codec.ts";
import { encodeFrame, FrameDecoder, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { ERROR_NUMBER } from "../../src/wire/messages.ts";
import { FakeClock, settle } from "../daemon/fakes/clock.ts";

/** Takes as many bytes as it is told to, as a kernel's buffer does. */
class FakeSocket implements ByteSocket {
  room = Infinity;
  taken: Uint8Array[] = [];
  ended = false;
  paused = false;

  write(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.room);
    this.room -= count;
    this.taken.push(bytes.slice(0, count));
    return count;
  }

  end(): void {
    this.ended = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  /** The message numbers and bodies' first bytes of what was sent. */
  answers(): [number, number | undefined][] {
    return new FrameDecoder(RESPONSE_LIMIT)
      .push(Buffer.concat(this.taken))
      .map(({ message, body }) => [message, body[0]]);
  }
}

const LIMIT = 1024;

/** Echoes a request's body under its number, unless the test answers by itself. */
const echo: Dispatch = ({ message, body }) => encodeFrame(message, body.slice());

function setUp(dispatch: Dispatch = echo, refusal?: () => Uint8Array, mostAtOnce?: number) {
  const clock = new FakeClock();
  const socket = new FakeSocket();
  const events: string[] = [];
  const connection = new Connection(
    socket,
    { pid: 7, uid: 1000, gid: 1000, connection: 1 },
    { requestLimit: LIMIT, dispatch, clock, log: (_, event) => events.push(event), refusal, mostAtOnce },
  );
  return { clock, socket, events, connection };
}

const request = (number: number) => encodeFrame(2, new Uint8Array([number]));

test("a request is answered at once", () => {
  const { connection, socket } = setUp();
  connection.receive(request(9));
  expect(socket.answers()).toEqual([[2, 9]]);
  expect(connection.isBusy).toBe(false);
});

test("a request that arrives byte by byte is answered when it is whole", () => {
  const { connection, socket } = setUp();
  for (const byte of request(9)) connection.receive(new Uint8Array([byte]));
  expect(socket.answers()).toEqual([[2, 9]]);
  expect(connection.hasDeadline).toBe(false);
});

test("answers come in the order of their requests, whichever is ready first", async () => {
  const pending: ((bytes: Uint8Array) => void)[] = [];
  const { connection, socket } = setUp((frame) =>
    frame.body[0] === 3 ? echo(frame, connection.caller) : new Promise((resolve) => pending.push(resolve)),
  );
  connection.receive(Buffer.concat([request(1), request(2), request(3)]));
  pending[1]!(request(2));
  await settle();
  expect(socket.answers()).toEqual([]);
  pending[0]!(request(1));
  await settle();
  expect(socket.answers()).toEqual([
    [2, 1],
    [2, 2],
    [2, 3],
  ]);
});

test("an answer that waits for another's turn is not wiped with its session", async () => {
  const answers: Record<number, Uint8Array | Promise<Uint8Array>> = {};
  const late = Promise.withResolvers<Uint8Array>();
  const kept = { atOnce: request(2), promised: request(3) };
  Object.assign(answers, { 1: late.promise, 2: kept.atOnce, 3: Promise.resolve(kept.promised) });
  const { connection, socket } = setUp((frame) => answers[frame.body[0]!]!);
  connection.receive(Buffer.concat([request(1), request(2), request(3)]));
  await settle();
  for (const bytes of Object.values(kept)) bytes.fill(0);
  late.resolve(request(1));
  await settle();
  expect(socket.answers()).toEqual([
    [2, 1],
    [2, 2],
    [2, 3],
  ]);
});

test("answers that wait for another's turn count as not taken: no more requests are answered", async () => {
  const late = Promise.withResolvers<Uint8Array>();
  let large = 0;
  const { connection, socket } = setUp((frame) => {
    if (frame.body[0] === 1) return late.promise;
    large += 1;
    return encodeFrame(2, new Uint8Array(200 * 1024).fill(9));
  });
  connection.receive(Buffer.concat([request(1), request(2), request(3), request(4), request(5)]));
  expect(large).toBe(2);
  expect(socket.paused).toBe(true);
  late.resolve(request(1));
  await settle();
  expect(large).toBe(4);
  expect(socket.paused).toBe(false);
  expect(socket.answers().map(([, first]) => first)).toEqual([1, 9, 9, 9, 9]);
});

test("a request that is not complete two seconds after its first byte is overdue", async () => {
  const { connection, clock } = setUp();
  const bytes = request(1);
  connection.receive(bytes.subarray(0, 3));
  expect(connection.hasDeadline).toBe(true);
  await clock.advance(1000);
  connection.receive(bytes.subarray(3, 4));
  await clock.advance(999);
  expect(connection.isOverdue(clock.monotonic())).toBe(false);
  await clock.advance(1);
  expect(connection.isOverdue(clock.monotonic())).toBe(true);
});

test("each request has a deadline of its own", async () => {
  const { connection, clock } = setUp();
  const bytes = request(1);
  connection.receive(bytes.subarray(0, 3));
  await clock.advance(1900);
  connection.receive(Buffer.concat([bytes.subarray(3), bytes.subarray(0, 3)]));
  await clock.advance(1900);
  expect(connection.isOverdue(clock.monotonic())).toBe(false);
});

test("an idle connection has no deadline", async () => {
  const { connection, clock } = setUp();
  connection.receive(request(1));
  await clock.advance(3_600_000);
  expect(connection.isOverdue(clock.monotonic())).toBe(false);
});

test("what the kernel does not take follows when it does", () => {
  const { connection, socket } = setUp();
  socket.room = 5;
  connection.receive(Buffer.concat([request(1), request(2)]));
  expect(connection.isBusy).toBe(true);
  socket.room = Infinity;
  connection.drain();
  expect(socket.answers()).toEqual([
    [2, 1],
    [2, 2],
  ]);
  expect(connection.isBusy).toBe(false);
  expect(connection.hasDeadline).toBe(false);
});

test.each([1, 7, 13, 1000])("many answers that wait come out whole and in order, %i bytes at a time", (room) => {
  const { connection, socket } = setUp();
  const asked = Array.from({ length: 50 }, (_, index) => index);
  socket.room = 3;
  connection.receive(Buffer.concat(asked.map(request)));
  while (connection.isBusy) {
    socket.room = room;
    connection.drain();
  }
  expect(socket.answers()).toEqual(asked.map((number) => [2, number]));
});

test("bytes that wait are a copy, because a session wipes its own", () => {
  const kept = encodeFrame(2, new Uint8Array([1, 2, 3, 4]));
  const { connection, socket } = setUp(() => kept);
  socket.room = 5;
  connection.receive(request(1));
  kept.fill(0);
  socket.room = Infinity;
  connection.drain();
  expect(Buffer.concat(socket.taken)).toEqual(Buffer.from(encodeFrame(2, new Uint8Array([1, 2, 3, 4]))));
});

test("a reader that takes nothing for five seconds is overdue; one that takes a little is not", async () => {
  const { connection, clock, socket } = setUp();
  socket.room = 0;
  connection.receive(request(1));
  await clock.advance(4999);
  expect(connection.isOverdue(clock.monotonic())).toBe(false);
  socket.room = 1;
  connection.drain();
  await clock.advance(4999);
  expect(connection.isOverdue(clock.monotonic())).toBe(false);
  await clock.advance(1);
  expect(connection.isOverdue(clock.monotonic())).toBe(true);
});

test("a peer that asks and does not read is paused before its answers fill the memory", () => {
  const large = encodeFrame(2, new Uint8Array(100_000));
  let asked = 0;
  const { connection, socket } = setUp(() => {
    asked += 1;
    return large;
  });
  socket.room = 0;
  connection.receive(Buffer.concat(Array.from({ length: 1000 }, () => request(1))));
  expect(asked).toBe(3);
  expect(socket.paused).toBe(true);
  for (let drained = 0; drained < 1000 && connection.isBusy; drained++) {
    socket.room = 100_006;
    connection.drain();
  }
  expect(asked).toBe(1000);
  expect(socket.paused).toBe(false);
});

test("at most 32 requests of one connection are under way", async () => {
  const pending: ((bytes: Uint8Array) => void)[] = [];
  const { connection, socket } = setUp(() => new Promise((resolve) => pending.push(resolve)));
  connection.receive(Buffer.concat(Array.from({ length: 40 }, () => request(1))));
  expect(pending.length).toBe(32);
  expect(socket.paused).toBe(true);
  pending[0]!(request(1));
  await settle();
  expect(pending.length).toBe(33);
});

test("whoever sends without waiting is answered so many at once, and the rest a moment later, in order", async () => {
  const { connection, socket, clock } = setUp(echo, undefined, 4);
  const asked = Array.from({ length: 10 }, (_, index) => index);
  connection.receive(Buffer.concat(asked.map(request)));
  expect([socket.answers().length, socket.paused]).toEqual([4, true]);
  await clock.advance(9);
  expect(socket.answers()).toHaveLength(4);
  await clock.advance(1);
  expect([socket.answers().length, socket.paused]).toEqual([8, true]);
  await clock.advance(10);
  expect(socket.answers()).toEqual(asked.map((number) => [2, number]));
  expect([socket.paused, connection.isBusy]).toEqual([false, false]);
});

test("whoever waits for each answer never rests", () => {
  const { connection, socket } = setUp(echo, undefined, 4);
  for (let count = 0; count < 100; count++) connection.receive(request(1));
  expect(socket.answers()).toHaveLength(100);
});

test("what a peer asked that is gone is not dispatched any more", async () => {
  let dispatched = 0;
  const { connection, clock } = setUp(
    (frame) => {
      dispatched += 1;
      return echo(frame, connection.caller);
    },
    undefined,
    4,
  );
  connection.receive(Buffer.concat(Array.from({ length: 10 }, () => request(1))));
  connection.drop();
  await clock.advance(1000);
  expect(dispatched).toBe(4);
});

test("a deadline is made known when it begins, also where no byte of the peer's led to it", async () => {
  const began: string[] = [];
  const clock = new FakeClock();
  const socket = new FakeSocket();
  const late = Promise.withResolvers<Uint8Array>();
  const connection = new Connection(
    socket,
    { pid: 7, uid: 1000, gid: 1000, connection: 1 },
    {
      requestLimit: LIMIT,
      dispatch: () => late.promise,
      clock,
      log: () => {},
      deadlineBegan: () => began.push("began"),
    },
  );
  connection.receive(request(1));
  expect(began).toEqual([]);
  socket.room = 0;
  late.resolve(request(1));
  await settle();
  expect([began, connection.hasDeadline]).toEqual([["began"], true]);
});

test("a malformed frame is answered after what stood before it, and ends the connection", () => {
  const { connection, socket, events } = setUp();
  connection.receive(Buffer.concat([request(5), new Uint8Array([0xff, 0xff, 0xff, 0xff])]));
  expect(socket.answers().map(([number]) => number)).toEqual([2, ERROR_NUMBER]);
  expect(socket.ended).toBe(true);
  expect(events).toEqual(["malformed request"]);
  connection.receive(request(6));
  expect(socket.answers().length).toBe(2);
});

test("whoever owns the connection may say what a malformed frame is answered with", () => {
  const { socket, connection } = setUp(echo, () => encodeFrame(9, new Uint8Array([9])));
  connection.receive(new Uint8Array(6));
  expect(socket.answers()).toEqual([[9, 9]]);
  expect(socket.ended).toBe(true);
});

test("a malformed body ends the connection, and nothing behind it is answered", () => {
  const { connection, socket } = setUp((frame) => {
    if (frame.body[0] === 2) throw new MalformedBody("bytes follow the last field");
    return echo(frame, connection.caller);
  });
  connection.receive(Buffer.concat([request(1), request(2), request(3)]));
  expect(socket.answers().map(([number]) => number)).toEqual([2, ERROR_NUMBER]);
  expect(socket.ended).toBe(true);
});

test("a malformed frame is answered last, also behind requests that wait for their turn", async () => {
  const pending: ((bytes: Uint8Array) => void)[] = [];
  const { connection, socket } = setUp(() => new Promise((resolve) => pending.push(resolve)));
  const requests = Array.from({ length: 40 }, (_, index) => request(index));
  connection.receive(Buffer.concat([...requests, new Uint8Array(4)]));
  for (let index = 0; index < 40; index++) {
    pending[index]!(request(index));
    await settle();
  }
  const answers = socket.answers();
  expect(answers.slice(0, 40)).toEqual(requests.map((_, index) => [2, index]));
  expect(answers.slice(40).map(([number]) => number)).toEqual([ERROR_NUMBER]);
  expect(socket.ended).toBe(true);
});

test("a malformed body before a malformed frame is one refusal", () => {
  const { connection, socket } = setUp(() => {
    throw new MalformedBody("bytes follow the last field");
  });
  connection.receive(Buffer.concat([request(1), new Uint8Array(4)]));
  expect(socket.answers().map(([number]) => number)).toEqual([ERROR_NUMBER]);
});

test("a peer that half-closed still gets the answer it waits for", async () => {
  const answer = Promise.withResolvers<Uint8Array>();
  const { connection, socket } = setUp(() => answer.promise);
  connection.receive(request(1));
  connection.finish();
  expect(socket.ended).toBe(false);
  answer.resolve(request(1));
  await settle();
  expect(socket.answers()).toEqual([[2, 1]]);
  expect(socket.ended).toBe(true);
});

test("the memory of a large chunk that is no request is given back at once, and so is that of what follows it", () => {
  const { connection } = setUp();
  for (const chunk of [new Uint8Array(64 * 1024).fill(0xff), new Uint8Array(64 * 1024)]) {
    connection.receive(chunk);
    expect(chunk.length).toBe(0);
  }
});

test.each([1, 1018])(
  "a large chunk that begins with requests of %i bytes is left to whoever answers them",
  async (size) => {
    const answered = Promise.withResolvers<void>();
    const { connection, socket } = setUp(async ({ message, body }) => {
      await answered.promise;
      return encodeFrame(message, body.slice());
    });
    // Four of the larger ones are all that is cut at once; the rest is refused after that.
    const one = encodeFrame(2, new Uint8Array(size).fill(7));
    connection.receive(Buffer.concat([one, one, one, one, new Uint8Array(64 * 1024).fill(0xff)]));
    answered.resolve();
    await settle();
    expect(socket.answers().slice(0, 4)).toEqual([1, 2, 3, 4].map(() => [2, 7]));
  },
);
