import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeLock } from "../../src/daemon/lock.ts";
import { loadNative } from "../../src/native/load.ts";
import type { Native } from "../../src/native/native.ts";

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
