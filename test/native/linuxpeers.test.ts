import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { loadNative } from "../../src/native/load.ts";
import { isAlive } from "../processes.ts";
import { acceptOne } from "../daemon/fakes/peers.ts";

const native = loadNative();
const onLinux = test.skipIf(process.platform !== "linux");

onLinux("the process that connected lives until it has ended, whoever holds its connection then", async () => {
  await using accepted = await acceptOne();
  const { fd } = accepted.socket as { fd: number };
  const before = native.isPeerAlive(fd);
  await accepted.passOn();
  expect(isAlive(accepted.pid)).toBe(false);
  // A kernel before 6.5 knows neither.
  if (before !== undefined) expect([before, native.isPeerAlive(fd)]).toEqual([true, false]);
});

onLinux("of what is no connected Unix socket nothing is known", () => {
  const descriptor = openSync("/dev/null", "r");
  expect(native.isPeerAlive(descriptor)).toBeUndefined();
  closeSync(descriptor);
  expect(native.isPeerAlive(-1)).toBeUndefined();
});
