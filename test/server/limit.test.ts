import { expect, test } from "bun:test";
import { limitLog, type LogFields } from "../../src/server/log.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";

function setUp() {
  const lines: [string, LogFields | undefined][] = [];
  const clock = new FakeClock();
  return { lines, clock, log: limitLog((_, event, fields) => lines.push([event, fields]), clock) };
}

test("a line passes as it is", () => {
  const { lines, log } = setUp();
  log("info", "credentials vended", { config: "dev", pid: 7 });
  expect(lines).toEqual([["credentials vended", { config: "dev", pid: 7 }]]);
});

test("a flood is twenty lines and a count, and the next window starts afresh", async () => {
  const { lines, clock, log } = setUp();
  for (let count = 0; count < 1000; count++) log("info", "request failed");
  expect(lines.length).toBe(20);
  await clock.advance(1000);
  expect(lines.at(-1)).toEqual(["lines left out", { of: "request failed", count: 980 }]);
  log("info", "request failed");
  expect(lines.at(-1)![0]).toBe("request failed");
  await clock.advance(1000);
  expect(lines.length).toBe(22);
});

test("a flood of one event hides no other", () => {
  const { lines, log } = setUp();
  for (let count = 0; count < 1000; count++) log("warn", "malformed request");
  log("warn", "connection refused");
  expect(lines.at(-1)![0]).toBe("connection refused");
});

test("a quiet window leaves no line behind", async () => {
  const { lines, clock, log } = setUp();
  log("info", "credentials vended");
  await clock.advance(1000);
  expect(lines.length).toBe(1);
});

test("fields that are a function are made for the lines that are written, and for no others", () => {
  const { lines, log } = setUp();
  let made = 0;
  for (let count = 0; count < 1000; count++) log("info", "credentials vended", () => ({ made: ++made }));
  expect(made).toBe(20);
  expect(lines.at(-1)).toEqual(["credentials vended", { made: 20 }]);
});
