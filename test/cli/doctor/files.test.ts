import { expect, test } from "bun:test";
import { linkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import {
  fileSystemOf,
  freeBytes,
  isSamePlace,
  lookAt,
  lookBehind,
  may,
  namesIn,
  readText,
} from "../../../src/cli/doctor/files.ts";
import { Home } from "../fakes/machines.ts";

test("what is there is seen, and what is not is no error", () => {
  using home = new Home();
  const path = home.write("a", "text");
  symlinkSync(path, join(home.path, "b"));
  const gone = join(path, "c");
  expect(namesIn(home.path).toSorted()).toEqual(["a", "b"]);
  expect([namesIn(path), namesIn(gone)]).toEqual([[], []]);
  expect([lookAt(join(home.path, "b"))?.isSymbolicLink(), lookBehind(join(home.path, "b"))?.isFile()]).toEqual([
    true,
    true,
  ]);
  expect([lookAt(gone), lookBehind(gone)]).toEqual([undefined, undefined]);
  expect([readText(path), readText(home.path), readText(gone)]).toEqual(["text", undefined, undefined]);
});

test("a FIFO is not waited for", () => {
  using home = new Home();
  const path = join(home.path, "fifo");
  expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
  expect(readText(path)).toBeUndefined();
});

test("two names of one file are one place", () => {
  using home = new Home();
  const path = home.write("a");
  linkSync(path, join(home.path, "b"));
  expect(isSamePlace(path, join(home.path, "b"))).toBe(true);
  expect(isSamePlace(path, home.write("c"))).toBe(false);
  expect(isSamePlace(path, join(home.path, "gone"))).toBe(false);
});

test("what may be done is the kernel's word", () => {
  using home = new Home();
  const path = home.write("a", "", 0o600);
  expect([may(path, "read"), may(path, "write"), may(path, "execute"), may(`${path}.gone`, "read")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test.skipIf(process.platform !== "linux")("a file system is known by its number", () => {
  expect(fileSystemOf("/proc")).toBe(0x9fa0);
  expect(fileSystemOf("/proc/gone")).toBe(0);
  expect(freeBytes("/proc")).toBe(0);
  expect(freeBytes("/proc/gone")).toBeUndefined();
});
