import { expect, test } from "bun:test";
import { ECHO, judgeCalls, placeOf } from "./judge.ts";

const SECOND = 1000;
const windows = [{ what: "errors", from: 100 * SECOND, to: 160 * SECOND }];

test.each([
  [90, 99, "outside"],
  [90, 101, "inside"],
  [120, 121, "inside"],
  [159, 170, "inside"],
  [165, 170, "echo"],
  [161 + ECHO / SECOND, 200, "outside"],
])("a request from %d s to %d s lies %s", (from, to, place) => {
  expect(placeOf({ from: from * SECOND, to: to * SECOND }, windows)).toBe(place as "inside");
});

const role = "arn:aws:iam::111122223333:role/dev";
const call = (seconds: number, outcome = "ok") => ({ at: seconds * SECOND, roleArn: role, outcome });
const judge = (calls: readonly ReturnType<typeof call>[], starts = [0]) =>
  judgeCalls(
    calls,
    windows,
    starts.map((start) => start * SECOND),
    () => 120 * SECOND,
  );

test("a daemon needs a call at its start and at each renewal, which for 120 s comes after 30 s", () => {
  expect(judge([call(1), call(31), call(61)])).toMatchObject({ outside: 3, needed: 3 });
  expect(judge([call(1), call(2), call(31), call(40)])).toMatchObject({ outside: 4, needed: 2 });
  expect(judge([call(1), call(20), call(21)], [0, 10])).toMatchObject({ outside: 3, needed: 2 });
});

test("a failure is needed by nobody, and what happens in a window or just after it does not count", () => {
  expect(judge([call(1, "InternalFailure"), call(2)])).toMatchObject({ outside: 2, needed: 1 });
  expect(judge([call(1), call(110, "Throttling"), call(161), call(162)])).toMatchObject({ outside: 1, needed: 1 });
});

test("of each window the calls a second are counted for each role by itself", () => {
  const calls = Array.from({ length: 30 }, (_, index) => call(101 + index, "Throttling"));
  expect(judge(calls).mostInside).toBe(0.5);
  expect(judge(calls, [0, 105, 110, 159]).mostInside).toBe(28 / 60);
  expect(judge([...calls, ...calls.map((one) => ({ ...one, roleArn: `${role}2` }))]).mostInside).toBe(0.5);
});
