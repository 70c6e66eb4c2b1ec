import { expect, test } from "bun:test";
import { Time, WakeTimer } from "../../../src/daemon/sessions/time.ts";
import { FakeClock } from "../fakes/clock.ts";

const SECOND = 1000;
const HOUR = 3_600 * SECOND;

/** A time whose skew was measured, and how far it is ahead of AWS's after the next reading. */
function measured(skew: number): { clock: FakeClock; time: Time; ahead: () => number } {
  const clock = new FakeClock();
  clock.step(-skew);
  const time = new Time(clock);
  time.measured(skew);
  const ahead = (): number => {
    time.read();
    return time.wall - clock.truth;
  };
  return { clock, time, ahead };
}

test("a measured skew corrects the wall clock, and one below 2 s does not", () => {
  expect(measured(3 * HOUR).ahead()).toBe(0);
  expect(measured(-3 * HOUR).ahead()).toBe(0);
  expect(measured(1_999).ahead()).toBe(-1_999);
  expect(measured(1_999).time.skew).toBe(0);
});

test("no skew is known before it is measured, by an answer without a date, or after a jump", () => {
  const clock = new FakeClock();
  const time = new Time(clock);
  expect(time.skew).toBeUndefined();
  time.measured(undefined);
  expect(time.skew).toBeUndefined();
  time.measured(5 * SECOND);
  expect(time.skew).toBe(5 * SECOND);
  clock.step(HOUR);
  time.read();
  expect(time.skew).toBeUndefined();
});

test("a measurement counts from the moment it is taken in", () => {
  const clock = new FakeClock();
  clock.step(-HOUR);
  const time = new Time(clock);
  time.measured(HOUR);
  expect(time.wall).toBe(clock.truth);
});

test.each([
  { drift: 30 * SECOND, jump: 0 },
  { drift: 30 * SECOND + 1, jump: 30 * SECOND + 1 },
  { drift: -30 * SECOND, jump: 0 },
  { drift: -30 * SECOND - 1, jump: -30 * SECOND - 1 },
])("a drift of $drift ms is a jump of $jump ms, once", ({ drift, jump }) => {
  const clock = new FakeClock();
  const time = new Time(clock);
  clock.step(drift);
  expect(time.read()).toBe(jump);
  expect(time.read()).toBe(0);
  expect(time.jumps).toBe(jump === 0 ? 0 : 1);
});

test("a slow drift is no jump, however far it goes", () => {
  const clock = new FakeClock();
  const time = new Time(clock);
  for (let tick = 0; tick < 100; tick += 1) {
    clock.step(10 * SECOND);
    expect(time.read()).toBe(0);
  }
});

test.each([0, 3 * HOUR, -3 * HOUR])("with a skew of %d ms no jump makes it fall behind AWS's clock", (skew) => {
  for (const step of [-5 * HOUR, -3 * HOUR, 3 * HOUR, 5 * HOUR]) {
    const { clock, ahead } = measured(skew);
    clock.step(step);
    expect(ahead()).toBeGreaterThanOrEqual(0);
    clock.suspend(2 * HOUR);
    expect(ahead()).toBeGreaterThanOrEqual(0);
  }
  const { clock, ahead } = measured(skew);
  clock.suspend(2 * HOUR);
  expect(ahead()).toBeGreaterThanOrEqual(0);
});

test("a clock that ran ahead and is set right in its sleep does not fall behind", () => {
  const { clock, ahead } = measured(-3 * HOUR);
  clock.suspend(HOUR);
  clock.step(-3 * HOUR);
  expect(ahead()).toBe(0);
});

test("a step back is taken out exactly", () => {
  const { clock, ahead } = measured(0);
  clock.step(-3 * HOUR);
  expect(ahead()).toBe(0);
});

/** An alarm that notes when it rings, from now on. */
function newAlarm(): { clock: FakeClock; alarm: WakeTimer; rings: number[] } {
  const clock = new FakeClock();
  const start = clock.monotonic();
  const rings: number[] = [];
  const alarm = new WakeTimer(clock, () => void rings.push(clock.monotonic() - start));
  return { clock, alarm, rings };
}

test("rings once, at the earliest moment that was asked for, with one timer", async () => {
  const { clock, alarm, rings } = newAlarm();
  for (const milliseconds of [5_000, 3_000, 9_000]) alarm.wakeIn(milliseconds);
  expect(clock.armed).toBe(1);
  await clock.advance(60_000);
  expect(rings).toEqual([3_000]);
});

test("rings after 15 s if nothing is due earlier", async () => {
  const { clock, alarm, rings } = newAlarm();
  alarm.wakeIn(Infinity);
  await clock.advance(60_000);
  expect(rings).toEqual([15_000]);
});

test("rings at most four times a second", async () => {
  const { clock, alarm, rings } = newAlarm();
  alarm.wakeIn(-1);
  await clock.advance(0);
  for (let asked = 0; asked < 99; asked += 1) {
    alarm.wakeIn(0);
    await clock.advance(10);
  }
  expect(rings).toEqual([0, 250, 500, 750]);
});

test("does not ring once it was cancelled, until it is asked again", async () => {
  const { clock, alarm, rings } = newAlarm();
  alarm.wakeIn(1_000);
  alarm.cancel();
  await clock.advance(20_000);
  expect(rings).toEqual([]);
  alarm.wakeIn(1_000);
  await clock.advance(20_000);
  expect(rings).toEqual([21_000]);
});
