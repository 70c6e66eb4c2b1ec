import { expect, test } from "bun:test";
import { createClocks } from "../../src/sources/sts/clocks.ts";
import type { Target } from "../../src/sources/sts/target.ts";

const HOUR = 3_600_000;

function targetAt(endpoint: string | undefined): Target {
  const proxies = { https: undefined, http: undefined, no: "" };
  const tls = { enabled: true, verify: true, ca: undefined, extraCa: undefined };
  return {
    region: "us-east-1",
    namedRegion: undefined,
    endpoint,
    useFips: false,
    useDualstack: false,
    useGlobal: false,
    tls,
    proxies,
  };
}

const aws = targetAt(undefined);
const local = targetAt("http://127.0.0.1:5000");
const other = targetAt("http://127.0.0.1:5001");

/** An answer of a server whose clock is ahead by that much. */
const ahead = (by: number) => ({ sentAt: 1000, receivedAt: 3000, date: 2000 + by });

test("an unknown clock is taken to be right, and an unknown STS to go by AWS's", () => {
  const clocks = createClocks();
  expect(clocks.skewOf(aws)).toBe(0);
  expect(clocks.measure(aws, ahead(HOUR))).toEqual({ clockSkew: HOUR, clock: "aws" });
  expect(clocks.skewOf(local)).toBe(HOUR);
});

test("the clock of another STS is nobody else's", () => {
  const clocks = createClocks();
  clocks.measure(aws, ahead(0));
  expect(clocks.measure(local, ahead(2 * HOUR))).toEqual({ clockSkew: 2 * HOUR, clock: "foreign" });
  expect([aws, local, other].map((target) => clocks.skewOf(target))).toEqual([0, 2 * HOUR, 0]);
});

test("where AWS is not asked at all, the first STS tells the time", () => {
  const clocks = createClocks();
  expect(clocks.measure(local, ahead(HOUR)).clock).toBe("aws");
  expect(clocks.measure(other, ahead(0)).clock).toBe("foreign");
  expect(clocks.measure(local, ahead(HOUR)).clock).toBe("aws");
  expect(clocks.measure(aws, ahead(0)).clock).toBe("aws");
  expect(clocks.measure(local, ahead(HOUR)).clock).toBe("foreign");
});

test("a clock that is more than a day off is doubtful until another STS has the same", () => {
  const clocks = createClocks();
  expect(clocks.measure(local, ahead(24 * HOUR)).clock).toBe("aws");
  expect(clocks.measure(local, ahead(25 * HOUR)).clock).toBe("doubtful");
  expect(clocks.measure(local, ahead(-25 * HOUR)).clock).toBe("doubtful");
  clocks.measure(other, ahead(-50 * HOUR));
  expect(clocks.measure(local, ahead(-27 * HOUR)).clock).toBe("aws");
  expect(clocks.measure(local, ahead(-25 * HOUR)).clock).toBe("doubtful");
});

test("an answer without a date tells nothing", () => {
  const clocks = createClocks();
  expect(clocks.measure(local, { sentAt: 1, receivedAt: 2, date: undefined }).clockSkew).toBeUndefined();
  expect(clocks.measure(other, undefined).clockSkew).toBeUndefined();
  expect(clocks.measure(other, ahead(HOUR)).clock).toBe("aws");
});

test("endpoints without number leave a bounded memory, in which AWS stays", () => {
  const clocks = createClocks();
  clocks.measure(aws, ahead(5));
  for (let port = 1; port <= 1000; port++) clocks.measure(targetAt(`http://127.0.0.1:${port}`), ahead(HOUR));
  expect(clocks.skewOf(targetAt("http://127.0.0.1:1"))).toBe(5);
  expect(clocks.skewOf(targetAt("http://127.0.0.1:1000"))).toBe(HOUR);
});
