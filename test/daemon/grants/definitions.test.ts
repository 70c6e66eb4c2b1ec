import { expect, test } from "bun:test";
import { createGrantLock } from "../../../src/daemon/grants/definitions.ts";
import { KeyholeError } from "../../../src/errors.ts";

test("the lock is taken once, and can be taken again when it was let go", () => {
  let taken = 0;
  let released = 0;
  const lock = createGrantLock(() => {
    taken += 1;
    return { isInPlace: true, release: () => void (released += 1) };
  });
  lock.release();
  expect(lock.isHeld).toBe(false);
  lock.require();
  lock.require();
  expect([lock.isHeld, taken]).toEqual([true, 1]);
  lock.release();
  lock.require();
  expect([taken, released]).toEqual([2, 1]);
});

test.each([
  ["already-running", "another daemon of this home serves its grants, on another socket"],
  ["unsafe-path", "scripted"],
] as const)("a lock that cannot be had (%s) is said in words", (kind, message) => {
  const lock = createGrantLock(() => {
    throw new KeyholeError(kind, "scripted");
  });
  expect(() => lock.require()).toThrow(expect.objectContaining({ kind, message }));
  expect(lock.isHeld).toBe(false);
});
