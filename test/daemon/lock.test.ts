import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awaitLock, takeLock } from "../../src/daemon/lock.ts";
import { loadNative } from "../../src/native/load.ts";
import type { Native } from "../../src/native/native.ts";
import { rejectionOf } from "../thrown.ts";

const native = loadNative();
let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-lock-"));
  path = join(directory, "daemon.lock");
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

test("the lock's file is private and holds the holder's pid", () => {
  const lock = takeLock(path, native);
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  lock.release();
});

test("a second daemon is told who holds the lock", () => {
  const lock = takeLock(path, native);
  expect(() => takeLock(path, native)).toThrow(`a daemon is already running (pid ${process.pid})`);
  lock.release();
});

test("a released lock can be taken again, whatever the file says", () => {
  writeFileSync(path, "4194304 and more of a dead holder\n");
  takeLock(path, native).release();
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
});

test("a lock on a file that was removed meanwhile is not a lock: the next file is taken", () => {
  let removed = false;
  const racing: Native = {
    ...native,
    lockFile: (descriptor) => {
      if (!removed) unlinkSync(path);
      removed = true;
      return native.lockFile(descriptor);
    },
  };
  const lock = takeLock(path, racing);
  expect(() => takeLock(path, native)).toThrow("already running");
  lock.release();
});

test("a link is not followed", () => {
  symlinkSync(join(directory, "elsewhere"), path);
  expect(() => takeLock(path, native)).toThrow(path);
});

test("a FIFO is no lock file", () => {
  Bun.spawnSync(["mkfifo", path]);
  expect(() => takeLock(path, native)).toThrow("not a regular file");
});

test("a lock whose file was removed or replaced knows that it locks nothing any more", () => {
  const lock = takeLock(path, native);
  expect(lock.isInPlace).toBe(true);
  unlinkSync(path);
  expect(lock.isInPlace).toBe(false);
  const second = takeLock(path, native);
  expect([lock.isInPlace, second.isInPlace]).toEqual([false, true]);
  lock.release();
  second.release();
});

describe("waiting for the lock", () => {
  test("of nobody is taking it", async () => {
    let waits = 0;
    const wait = () => Promise.resolve(void (waits += 1));
    (await awaitLock(path, native, wait, 9, () => void (waits += 1))).release();
    expect(waits).toBe(0);
  });

  test("lasts until its holder lets go, and says so once", async () => {
    const other = takeLock(path, native);
    let waits = 0;
    let said = 0;
    const wait = () => Promise.resolve(++waits === 3 ? other.release() : undefined);
    const lock = await awaitLock(path, native, wait, 9, () => void (said += 1));
    expect([waits, said, lock.isInPlace]).toEqual([3, 1, true]);
    lock.release();
  });

  test("ends where it takes too long", async () => {
    const other = takeLock(path, native);
    const awaited = awaitLock(
      path,
      native,
      () => Promise.resolve(),
      9,
      () => {},
    );
    expect((await rejectionOf(awaited)).kind).toBe("already-running");
    other.release();
  });

  test("ends where somebody else was faster", async () => {
    const other = takeLock(path, native);
    // Another holder, as far as the file says.
    const wait = () => Promise.resolve(writeFileSync(path, "77\n"));
    const awaited = awaitLock(path, native, wait, 9, () => {});
    expect((await rejectionOf(awaited)).message).toBe("a daemon is already running (pid 77)");
    other.release();
  });
});
