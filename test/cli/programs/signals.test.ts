import { expect, test } from "bun:test";
import { endings, signalled, unlessEnded, watchSignals } from "../../../src/cli/programs/supervise.ts";
import { rejectionOf } from "../../thrown.ts";
import { fakeSignals } from "../fakes/signals.ts";

test("the first of the signals that comes is the one, and nobody watches any more", async () => {
  const { watch, watched, send } = fakeSignals();
  const first = signalled(endings, watch);
  expect(send("SIGHUP")).toBe(true);
  expect(await first).toBe("SIGHUP");
  expect(endings.filter(watched)).toEqual([]);
});

test("work that ends is its result, and nobody watches any more", async () => {
  const { watch, watched } = fakeSignals();
  expect(await unlessEnded(Promise.resolve("done"), watch)).toBe("done");
  expect(endings.filter(watched)).toEqual([]);
});

test("work that a signal comes before is interrupted", async () => {
  const { watch, send } = fakeSignals();
  const outcome = rejectionOf(unlessEnded(new Promise(() => {}), watch));
  send("SIGTERM");
  expect(await outcome).toMatchObject({ kind: "interrupted", exitStatus: 130 });
});

test("this process's own signals come, until the watch ends", async () => {
  const seen: string[] = [];
  const stop = watchSignals(["SIGUSR2"], (signal) => void seen.push(signal));
  const second = signalled(["SIGUSR2"], watchSignals);
  process.kill(process.pid, "SIGUSR2");
  await second;
  stop();
  expect(seen).toEqual(["SIGUSR2"]);
  expect(process.listenerCount("SIGUSR2")).toBe(0);
});
