import { expect, test } from "bun:test";
import { smallExecutable } from "../../../src/daemon/mounts/small.ts";

test("from source there is no small executable", () => {
  expect(smallExecutable("x64")).toBeUndefined();
});
