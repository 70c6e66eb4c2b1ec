import { expect, test } from "bun:test";
import { createChildSlots } from "../../src/sources/resolve/child-slots.ts";
import { FakeClock, settle } from "../daemon/fakes/clock.ts";
import { rejectionOf } from "../thrown.ts";

/** Slots whose work is held until the test ends it. */
function newSlots(limit: number) {
  const clock = new FakeClock();
  const slots = createChildSlots(limit, clock);
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    clock,
    running,
    run: (name: string, environment = {}, signal = new AbortController().signal) =>
      slots({ environment, signal }, async () => {
        running.push(name);
        await new Promise<void>((resolve) => void ends.set(name, resolve));
        return name;
      }),
    end: async (name: string) => {
      ends.get(name)!();
      await settle();
    },
  };
}

test("as many as the limit run at once, the rest in the order they came", async () => {
  const it = newSlots(2);
  const results = ["a", "b", "c", "d"].map((name) => it.run(name));
  await settle();
  expect(it.running).toEqual(["a", "b"]);
  await it.end("b");
  expect(it.running).toEqual(["a", "b", "c"]);
  for (const name of ["a", "c", "d"]) await it.end(name);
  expect(await Promise.all(results)).toEqual(["a", "b", "c", "d"]);
  await it.clock.advance(1_000);
  expect(it.clock.armed).toBe(0);
});

test("a request that the holder of a slot waits for takes none", async () => {
  const it = newSlots(1);
  void it.run("a");
  void it.run("b");
  await settle();
  void it.run("c", { KEYHOLE_CHAIN: "a@/sock" });
  await settle();
  expect(it.running).toEqual(["a", "c"]);
  await it.end("c");
  expect(it.running).toEqual(["a", "c"]);
});

test("a slot is free again after work that fails", async () => {
  const slots = createChildSlots(1, new FakeClock());
  const request = { environment: {}, signal: new AbortController().signal };
  await slots(request, () => Promise.reject(new Error("no"))).catch(() => {});
  expect(await slots(request, () => Promise.resolve("next"))).toBe("next");
});

test("one that is given up leaves the queue, and takes no place", async () => {
  const it = newSlots(1);
  const controller = new AbortController();
  void it.run("a");
  const given = rejectionOf(it.run("b", {}, controller.signal));
  void it.run("c");
  controller.abort();
  expect((await given).kind).toBe("timeout");
  expect((await rejectionOf(it.run("d", {}, controller.signal))).kind).toBe("timeout");
  await it.end("a");
  expect(it.running).toEqual(["a", "c"]);
});

test("where nothing moves, one more runs every 250 ms; where something does, none", async () => {
  const it = newSlots(1);
  for (const name of ["a", "b", "c", "d"]) void it.run(name);
  await it.clock.advance(249);
  expect(it.running).toEqual(["a"]);
  await it.clock.advance(1);
  expect(it.running).toEqual(["a", "b"]);
  await it.clock.advance(200);
  // Two run where one may: the first that ends makes no room, and is a sign of life.
  await it.end("a");
  await it.clock.advance(249);
  expect(it.running).toEqual(["a", "b"]);
  await it.end("b");
  expect(it.running).toEqual(["a", "b", "c"]);
});
