import { expect, test } from "bun:test";
import type { Clock } from "../../src/daemon/clock.ts";
import type { LogFields } from "../../src/daemon/log.ts";
import { VendLog } from "../../src/daemon/vendlog.ts";

const caller = { pid: 7, uid: 1000, gid: 1000, connection: 3 };

function setUp() {
  const lines: [string, LogFields | undefined][] = [];
  const timers: (() => void)[] = [];
  const clock: Clock = {
    wall: () => 0,
    monotonic: () => 0,
    after: (_, action) => {
      timers.push(action);
      return { cancel: () => {} };
    },
  };
  return { lines, timers, vendLog: new VendLog(clock, (_, event, fields) => lines.push([event, fields])) };
}

test("a vend is one line with config, key id and peer", () => {
  const { lines, vendLog } = setUp();
  vendLog.record("dev", "ASIAEXAMPLE", caller);
  expect(lines).toEqual([
    ["credentials vended", { config: "dev", accessKeyId: "ASIAEXAMPLE", pid: 7, uid: 1000, connection: 3 }],
  ]);
});

test("a loop of vends is twenty lines and a count, and the next window starts afresh", () => {
  const { lines, timers, vendLog } = setUp();
  for (let count = 0; count < 1000; count++) vendLog.record("dev", "ASIAEXAMPLE", caller);
  expect(lines.length).toBe(20);
  expect(timers.length).toBe(1);
  timers.pop()!();
  expect(lines.at(-1)).toEqual(["more credentials vended", { count: 980 }]);
  vendLog.record("dev", "ASIAEXAMPLE", caller);
  expect(lines.at(-1)![0]).toBe("credentials vended");
  expect(timers.length).toBe(1);
});

test("a quiet window leaves no line behind", () => {
  const { lines, timers, vendLog } = setUp();
  vendLog.record("dev", "ASIAEXAMPLE", caller);
  timers.pop()!();
  expect(lines.length).toBe(1);
});
