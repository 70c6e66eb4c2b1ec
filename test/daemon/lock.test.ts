import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awaitSuccessor, hasSuccessor, succeed, takeLock } from "../../src/daemon/lock.ts";
import { loadNative } from "../../src/native/load.ts";
import type { Native } from "../../src/native/native.ts";
import { rejectionOf } from "../thrown.ts";

const native = loadNative();
let directory: string;
let path: string;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "keyhole-lock-"));
  path = join(directory, "daemon.lock");
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

test("the lock's file is private and holds the holder's pid", () => {
  const lock = takeLock(path, native);
  expect(fs.readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  expect(fs.statSync(path).mode & 0o777).toBe(0o600);
  lock.release();
});

test("a second daemon is told who holds the lock (E-154)", () => {
  const lock = takeLock(path, native);
  expect(() => takeLock(path, native)).toThrow(`a daemon is already running (pid ${process.pid})`);
  lock.release();
});

test("a released lock can be taken again, whatever the file says", () => {
  fs.writeFileSync(path, "4194304 and more of a dead holder\n");
  takeLock(path, native).release();
  expect(fs.readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
});

test("a lock on a file that was removed meanwhile is not a lock: the next file is taken", () => {
  let removed = false;
  const racing: Native = {
    ...native,
    lockFile: (descriptor) => {
      if (!removed) fs.unlinkSync(path);
      removed = true;
      return native.lockFile(descriptor);
    },
  };
  const lock = takeLock(path, racing);
  expect(() => takeLock(path, native)).toThrow("already running");
  lock.release();
});

test("a link is not followed", () => {
  fs.symlinkSync(join(directory, "elsewhere"), path);
  expect(() => takeLock(path, native)).toThrow(path);
});

test("a FIFO is no lock file", () => {
  Bun.spawnSync(["mkfifo", path]);
  expect(() => takeLock(path, native)).toThrow("not a regular file");
});

test("a lock whose file was removed or replaced knows that it locks nothing any more", () => {
  const lock = takeLock(path, native);
  expect(lock.isInPlace).toBe(true);
  fs.unlinkSync(path);
  expect(lock.isInPlace).toBe(false);
  const second = takeLock(path, native);
  expect([lock.isInPlace, second.isInPlace]).toEqual([false, true]);
  lock.release();
  second.release();
});

const waiting = (pause: () => void, times = 9) => ({ pause: () => Promise.resolve(pause()), times });

describe("a daemon that is to replace another", () => {
  test("takes a lock that is free, and says nothing", async () => {
    let said = 0;
    const { lock, complete } = await succeed(
      path,
      native,
      () => void (said += 1),
      waiting(() => void (said += 1)),
    );
    expect([said, lock.isInPlace]).toEqual([0, true]);
    complete();
    lock.release();
  });

  test("waits until its holder lets go, and says so once", async () => {
    const other = takeLock(path, native);
    let waits = 0;
    let said = 0;
    const patience = waiting(() => void (++waits === 3 && other.release()));
    const { lock, complete } = await succeed(path, native, () => void (said += 1), patience);
    expect([waits, said, lock.isInPlace]).toEqual([3, 1, true]);
    complete();
    lock.release();
  });

  test("gives up in the end, and where another was faster", async () => {
    const other = takeLock(path, native);
    const late = await rejectionOf(
      succeed(
        path,
        native,
        () => {},
        waiting(() => {}),
      ),
    );
    expect(late.kind).toBe("already-running");
    // Another holder, as far as the file says.
    const faster = waiting(() => fs.writeFileSync(path, "77\n"));
    const beaten = await rejectionOf(succeed(path, native, () => {}, faster));
    expect(beaten.message).toBe("a daemon is already running (pid 77)");
    expect(hasSuccessor(path, native)).toBe(false);
    other.release();
  });

  test("has the other one stay until it serves, and a third wait", async () => {
    const other = takeLock(path, native);
    expect(hasSuccessor(path, native)).toBe(false);
    const { lock, complete } = await succeed(
      path,
      native,
      () => other.release(),
      waiting(() => {}),
    );
    expect(hasSuccessor(path, native)).toBe(true);
    const third = await rejectionOf(
      succeed(
        path,
        native,
        () => {},
        waiting(() => {}),
      ),
    );
    expect(third.kind).toBe("already-running");
    let waits = 0;
    const gone = await awaitSuccessor(
      path,
      native,
      waiting(() => void (++waits === 3 && complete())),
    );
    expect([gone, waits, lock.isInPlace]).toEqual([undefined, 3, true]);
    expect(fs.readdirSync(directory)).toEqual(["daemon.lock"]);
    lock.release();
  });

  test("gives the place back to the other one where it fails", async () => {
    const other = takeLock(path, native);
    const { lock, complete } = await succeed(
      path,
      native,
      () => other.release(),
      waiting(() => {}),
    );
    const die = () => {
      lock.release();
      complete();
    };
    const again = await awaitSuccessor(path, native, waiting(die));
    expect(again?.isInPlace).toBe(true);
    again?.release();
  });
});
