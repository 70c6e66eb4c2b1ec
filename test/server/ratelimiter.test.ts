import { beforeEach, expect, test } from "bun:test";
import { createRateLimiter, type RateLimiter } from "../../src/server/ratelimiter.ts";
import { KeyholeError } from "../../src/errors.ts";
import type { Rate } from "../../src/grants/grant.ts";
import { rejectionOf, thrownBy } from "../thrown.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});

function newPacer(rate: Rate, { most = 32, patience = 5_000 } = {}): RateLimiter {
  return createRateLimiter({ rate, clock, most, patience });
}

/** Takes and notes when it was let through, in milliseconds from now. */
function takeAndNote(limiter: RateLimiter, times: number, notes: string[], name = ""): void {
  const start = clock.monotonic();
  for (let index = 0; index < times; index++) {
    const note = (): number => notes.push(`${name}${index}@${Math.round(clock.monotonic() - start)}`);
    const turn = limiter.take();
    if (turn === undefined) note();
    else void turn.then(note);
  }
}

const closing = new KeyholeError("revoked", "this grant was revoked");

test.each<Rate>([
  { count: 10, milliseconds: 1_000 },
  { count: 3, milliseconds: 1_000 },
  { count: 7, milliseconds: 60_000 },
  { count: 1, milliseconds: 3_600_000 },
  { count: 10_000, milliseconds: 1_000 },
])("%o are let through at once, and as many again after that time", async (rate) => {
  const limiter = newPacer(rate, { most: 0 });
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < rate.count; index++) expect(limiter.take()).toBeUndefined();
    expect(thrownBy(() => limiter.take()).kind).toBe("throttled");
    await clock.advance(rate.milliseconds);
  }
  expect(clock.armed).toBe(0);
});

test("what is above the rate waits for its turn, in the order of asking", async () => {
  const limiter = newPacer({ count: 2, milliseconds: 1_000 });
  const notes: string[] = [];
  takeAndNote(limiter, 5, notes);
  expect(notes).toEqual(["0@0", "1@0"]);
  await clock.advance(1_499);
  expect(notes.slice(2)).toEqual(["2@500", "3@1000"]);
  await clock.advance(1);
  expect(notes.slice(4)).toEqual(["4@1500"]);
  expect(clock.armed).toBe(0);
});

test("whoever comes later goes behind those that wait", async () => {
  const limiter = newPacer({ count: 1, milliseconds: 1_000 });
  const notes: string[] = [];
  takeAndNote(limiter, 2, notes, "early");
  await clock.advance(999);
  takeAndNote(limiter, 1, notes, "late");
  await clock.advance(1_001);
  expect(notes).toEqual(["early0@0", "early1@1000", "late0@1001"]);
});

test("over an hour no more than the rate, and the burst once, is let through", async () => {
  const limiter = newPacer({ count: 10, milliseconds: 1_000 });
  let through = 0;
  const note = (): void => void (through += 1);
  for (let second = 0; second < 360; second++) {
    for (let index = 0; index < 40; index++) {
      try {
        const turn = limiter.take();
        if (turn === undefined) note();
        else void turn.then(note);
      } catch (error) {
        expect(error).toMatchObject({ kind: "throttled" });
      }
    }
    await clock.advance(1_000);
  }
  expect(through).toBeLessThanOrEqual(10 + 10 * 360);
  expect(through).toBeGreaterThanOrEqual(10 * 360);
});

test("one too many is refused at once, and takes nobody's turn", async () => {
  const limiter = newPacer({ count: 10, milliseconds: 1_000 }, { most: 3 });
  const notes: string[] = [];
  takeAndNote(limiter, 13, notes);
  for (let times = 0; times < 100; times++) expect(thrownBy(() => limiter.take()).kind).toBe("throttled");
  await clock.advance(300);
  expect(notes.slice(10)).toEqual(["10@100", "11@200", "12@300"]);
  takeAndNote(limiter, 1, notes);
  await clock.advance(100);
  expect(notes.at(-1)).toBe("0@100");
});

test("one that would wait too long is refused at once", () => {
  const limiter = newPacer({ count: 1, milliseconds: 2_500 });
  expect(limiter.take()).toBeUndefined();
  const turns = [limiter.take(), limiter.take()];
  expect(turns).toEqual([expect.any(Promise), expect.any(Promise)]);
  expect(thrownBy(() => limiter.take())).toMatchObject({ kind: "throttled", hint: "try again in a few seconds" });
});

test("closing turns away who waits and who comes later, with the reason, and leaves no timer", async () => {
  const limiter = newPacer({ count: 1, milliseconds: 1_000 });
  expect(limiter.take()).toBeUndefined();
  const waiting = [limiter.take()!, limiter.take()!].map((turn) => rejectionOf(turn));
  limiter.close(closing);
  limiter.close(new KeyholeError("shutting-down", "too late"));
  expect(await Promise.all(waiting)).toEqual([closing, closing]);
  expect(thrownBy(() => limiter.take())).toBe(closing);
  expect(clock.armed).toBe(0);
});
