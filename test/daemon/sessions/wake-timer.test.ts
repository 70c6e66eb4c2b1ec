import { expect, test } from "bun:test";
import { WakeTimer } from "../../../src/daemon/sessions/time.ts";
import { FakeClock } from "../fakes/clock.ts";

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
